// A training as snsim/training/loop.py runs it, with the same numbers: `openTraining` and class `Training`.
// What it reads is described in snsim/page/training_description.py.

import { CompiledNet, LinearMemory } from "./memory.js";
import { countRemaining, divisorOf, KEPT, keptMasks, remainingLines } from "./pruning.js";
import { Pcg64, Philox, STREAM } from "./random.js";
import { Sequences } from "./sequences.js";
import { scoreOutputs } from "./sums.js";

const MOST_TOGETHER = 256; // patterns in one call of a module

// Return the training of a description. `arrays` has an ArrayBuffer for each blob.
export async function openTraining(description, arrays) {
  if (description.format !== 1) throw new Error(`a description of format ${description.format}, which this page does not know`);
  const memory = new LinearMemory(description.dtype === "float64" ? Float64Array : Float32Array), nets = [];
  for (const described of description.nets) nets.push(await CompiledNet.open(memory, described, arrays));
  return new Training(description, arrays, memory, nets);
}

// The value in pass `number` (from 1) of a stage of `passes` passes.
export function valueAt(value, number, passes) {
  if (value.kind === "constant") return value.numbers[0];
  if (value.kind === "linear") {
    const [first, last] = value.numbers;
    return passes === 1 ? first : first + ((last - first) * (number - 1)) / (passes - 1);
  }
  let end = 0;
  for (let i = 0; i < value.lengths.length; i++) {
    end += value.lengths[i];
    if (number <= end) return value.numbers[i];
  }
  return value.numbers.at(-1);
}

// After construction the training stands before pass 1, with trained weights where the description has them.
//
//   step(n)       present at most n patterns, none of the next pass; return how many
//   passIsOver    whether all patterns of the pass are presented; then `endPass` must follow
//   endPass()     score both sets; return {number, train, test or null, outputs, left}; `left` counts what pruning left,
//                 {connections, weights}, or is null
//   pass()        run the rest of the pass and end it
//   evaluate(set) outputs for every pattern, in units
//   score()       {train, test, outputs} of the weights now
//   look(what)    states, weights, errors and rates for one pattern
//   set(values)   {"rate": factor or null, "option-NAME": number or null}: null gives the training its own value
//   weights(), load(weights), restart(seed), place(), opened()
export class Training {
  constructor(description, arrays, memory, nets) {
    Object.assign(this, { description, arrays, memory, nets, passes: description.passes, seed: description.seed });
    const { inputs, row, outputs, patterns, stages, parameters } = description, { Real } = memory;
    this.data = {};
    for (const set of ["train", "test"]) {
      if (!patterns[set]) continue;
      const targets = new Float32Array(arrays[`${set}.targets`]), exact = arrays[`${set}.exact targets`];
      this.data[set] = { inputs: new Real(arrays[`${set}.inputs`]), targets, exact: exact ? new Float64Array(exact) : targets };
    }
    this.patterns = patterns.train;
    this.chunk = Math.max(1, Math.min(MOST_TOGETHER, Math.floor(3e6 / description.nets[0].block)));
    this.sequences = description.sequences && new Sequences(description, arrays, memory);
    const bytes = Real.BYTES_PER_ELEMENT, units = Math.max(...nets.map((net) => net.layers.reduce((sum, layer) => sum + layer.units, 0)));
    this.x = memory.place(MOST_TOGETHER * row * bytes);
    this.d = memory.place(MOST_TOGETHER * outputs * bytes);
    this.made = memory.place(Math.max(MOST_TOGETHER * outputs, units) * bytes);
    this.gates = memory.place(MOST_TOGETHER * 2 * units * bytes);
    const options = Math.max(...stages.map((stage) => Object.keys(stage.options).length));
    this.numbers = memory.place((options + parameters.length + 1) * 8);
    this.presented = new Float64Array(inputs); // a pattern after shift, noise and dropout
    this.drawn = new Float64Array(Math.max(...nets[0].layers.map((layer) => layer.units))); // for the units of a layer
    this.sizes = Object.fromEntries(parameters.map(({ name, size }) => [name, size]));
    this.names = parameters.map(({ name }) => name);
    const integers = (blob) => new Int32Array(arrays[blob]);
    this.sharers = description.sharers && Object.fromEntries(Object.entries(description.sharers).map(([name, blob]) => [name, integers(blob)]));
    this.integers = integers;
    this.normalTable = description.normal && new Float64Array(arrays[description.normal.blob]);
    this.changes = { rate: 1, options: {} };
    this.restart(description.seed);
    if (description.weights) {
      this.load(Object.fromEntries(Object.entries(description.weights).map(([name, blob]) => [name, new Real(arrays[blob])])));
    }
  }

  // ---- Starting ----------------------------------------------------------------------------------------------------

  restart(seed) {
    this.seed = seed;
    this.number = 0; // passes done
    this.at = 0; // patterns presented in this pass
    this.updates = 0;
    this.running = null; // what is drawn and set for the pass that runs
    this.sequences?.learning.start();
    this.net = null;
    this.masks = null; // by parameter: 1 for weights that remain; null before any is pruned
    const draw = (stream) => new Pcg64([seed, stream]);
    this.draw = { order: draw(STREAM.order), noise: draw(STREAM.noise), curvature: draw(STREAM.curvature) };
    this.enter(this.netFor(this.description.stages[0], 0), this.initialWeights(draw(STREAM.weights)), 0);
  }

  initialWeights(draw) {
    const { arrays } = this, weights = {};
    for (const { name, size, initial } of this.description.parameters) {
      if (initial.draw === "given") {
        weights[name] = new this.memory.Real(arrays[initial.blob]);
        continue;
      }
      const values = (weights[name] = new Float64Array(size));
      if (initial.draw === "gain") {
        const owners = new Int32Array(arrays[initial.owners_blob]), of = weights[initial.of];
        for (let i = 0; i < owners.length; i++) values[owners[i]] += of[i] * of[i];
        for (let i = 0; i < size; i++) values[i] = Math.sqrt(values[i]);
        continue;
      }
      const factors = initial.factor_blob && new Float64Array(arrays[initial.factor_blob]);
      for (let i = 0; i < size; i++) {
        const drawn = initial.draw === "uniform" ? -1 + 2 * draw.double() : initial.draw === "normal" ? draw.normal(this.normalTable) : 1;
        values[i] = drawn * (factors ? factors[i] : initial.factor);
      }
    }
    return weights;
  }

  // ---- Nets --------------------------------------------------------------------------------------------------------

  get adjusted() {
    return Object.keys(this.changes.options).length > 0 && this.description.adjustable !== null;
  }

  // The net and the module of a pass (from 0) of a stage.
  chosen(stage, inside) {
    return this.adjusted ? this.description.adjustable[this.description.stages.indexOf(stage)] : { net: stage.net, module: stage.modules[inside] };
  }

  netFor(stage, inside) {
    return this.nets[this.chosen(stage, inside).net];
  }

  // Go on in a net with these weights, and with a new state of the update rule after so many updates.
  enter(net, weights, updates) {
    net.reset();
    this.net = net;
    this.updates = updates;
    for (const name of this.names) net.pack(name, "value", weights[name]);
  }

  // Go on in another net of the same rule: every region that both have is carried over.
  move(net) {
    const from = this.net, { updates } = this;
    this.enter(net, this.weights(), updates);
    for (const name of this.names) {
      for (const region of Object.keys(from.parameters[name].regions)) {
        if (region !== "value" && region !== "mask" && net.has(name, region)) net.pack(name, region, from.unpack(name, region, this.sizes[name]));
      }
    }
  }

  // ---- A pass ------------------------------------------------------------------------------------------------------

  // The stage of pass `number` (from 1), its place, and the number of the pass inside it.
  stageOf(number) {
    let rest = number, place = 0;
    const { stages } = this.description;
    while (place < stages.length - 1 && rest > stages[place].passes) rest -= stages[place++].passes;
    return { stage: stages[place], place, inside: Math.min(rest, stages[place].passes) };
  }

  begin() {
    const number = this.number + 1, { stage, place, inside } = this.stageOf(number), { description, seed } = this;
    const before = number > 1 ? this.stageOf(number - 1).stage : stage;
    if ((stage.prune !== null && inside === 1) || before.net !== stage.net) this.enterStage(stage, inside - 1, number > 1);
    const total = this.patterns, at = (value) => (value === null ? 0 : valueAt(value, inside, stage.passes));
    this.running = { stage, place, inside, number, noise: at(stage.input_noise), theta: at(stage.theta) };
    const { running } = this;
    this.useSettings();
    if (stage.curvature_patterns !== null) this.holdCurvature(stage);
    const drawOrder = stage.order === "fixed" ? null
      : stage.order === "shuffled" ? (count) => this.draw.order.permutation(count)
      : stage.order === "shuffled once" ? (count) => new Pcg64([seed, STREAM.order]).permutation(count)
      : (count) => this.draw.order.integers(count, count);
    running.order = drawOrder && (this.sequences ? this.sequences.ordered(drawOrder) : drawOrder(total));
    running.shifts = stage.shift === null ? null : this.draw.noise.integers(2 * stage.shift[0] + 1, 2 * total).map((cells) => cells - stage.shift[0]);
    const names = this.net.layers.map((layer) => layer.name), byLayer = (a, b) => a.layer - b.layer;
    running.dropped = stage.dropout
      .map(([name, chance], k) => ({ layer: names.indexOf(name), chance, draw: new Philox([seed, STREAM.gates, number, k]) }))
      .sort(byLayer);
    running.noisy = running.theta ? names.slice(this.net.inputLayers).map((_, k) => ({ layer: k + this.net.inputLayers, draw: new Philox([seed, STREAM.theta, number, k]) })) : [];
    running.batched = 0; // patterns in the batch that is gathered
    this.at = 0;
    return description;
  }

  // Begin a stage that prunes, or has another rule than the one before: with the weights, and the state that both share.
  enterStage(stage, inside, isLater) {
    const from = this.net, { updates, names, sizes } = this, weights = this.weights();
    if (stage.prune !== null) {
      const h = this.curvatureOver(from.saliency, null);
      this.masks = keptMasks(h, weights, this.masks, this.sharers, ...stage.prune);
      for (const name of names) this.masks[name].forEach((remains, i) => { if (!remains) weights[name][i] = 0; });
    }
    const states = [];
    if (isLater && stage.keeps_state) {
      for (const name of names) {
        for (const region of Object.keys(from.parameters[name].regions)) {
          if (!region.startsWith("state ") || region === KEPT) continue;
          const values = from.unpack(name, region, sizes[name]);
          if (this.masks) this.masks[name].forEach((remains, i) => { if (!remains) values[i] = 0; });
          states.push([name, region, values]);
        }
      }
    }
    const net = this.netFor(stage, inside);
    this.enter(net, weights, isLater && stage.keeps_state ? updates : 0);
    for (const [name, region, values] of states) if (net.has(name, region)) net.pack(name, region, values);
    if (this.masks) for (const name of names) if (net.has(name, KEPT)) net.pack(name, KEPT, this.masks[name]);
  }

  // Bring the module and its numbers up to date.
  useSettings() {
    const { stage, inside } = this.running, { module } = this.chosen(stage, inside - 1), net = this.netFor(stage, inside - 1);
    if (net !== this.net) this.move(net);
    this.running.module = net.modules[module];
    const { options, arrays, gated, noisy } = this.running.module, numbers = [];
    this.running.row = [...gated, ...noisy].reduce((sum, layer) => sum + net.layers[layer].units, 0);
    for (const name of options) numbers.push(this.changes.options[name] ?? valueAt(stage.options[name], inside, stage.passes));
    this.rates = {};
    for (const name of Object.keys(net.parameters)) {
      const { value, family } = stage.rates[name], rate = valueAt(value, inside, stage.passes) * this.changes.rate;
      const divisor = family ? this.divisorNow(name, family) : this.divisorOf(stage.rates[name]);
      if (arrays.includes(name)) {
        const each = Float64Array.from({ length: this.sizes[name] }, (_, i) => rate / (divisor[i] ?? divisor[0]));
        net.pack(name, "rate", each);
        numbers.push(0);
      } else {
        const one = rate / divisor[0];
        this.rates[name] = one;
        numbers.push(one);
      }
    }
    numbers.push(0);
    this.memory.doubles(this.numbers, numbers.length).set(numbers);
  }

  // The numbers by which the rate of a parameter is divided: one for all weights, or one for each.
  divisorOf({ divisor, divisor_blob }) {
    return divisor_blob === undefined ? [divisor] : new Float64Array(this.arrays[divisor_blob]);
  }

  // The same where it depends on what pruning left.
  divisorNow(name, family) {
    const { remaining } = this.description;
    if (this.lines?.masks !== this.masks) {
      this.lines = { masks: this.masks, units: remainingLines(remaining, this.masks, this.integers) };
    }
    const { layer, last_blob: last, has_bias: hasBias } = remaining.parameters[name];
    return divisorOf(family, remaining.counting, this.lines.units[layer], this.integers(last), hasBias, this.integers(this.description.sharers[name]));
  }

  // Compute the curvature that a pass holds: the mean over patterns drawn without replacement.
  holdCurvature(stage) {
    const chosen = this.draw.curvature.permutation(this.patterns).subarray(0, stage.curvature_patterns);
    const means = this.curvatureOver(this.net.curvature, chosen);
    for (const name of this.names) this.net.pack(name, "curvature", means[name]);
  }

  // The mean second derivatives over some training patterns, or all of them with null, by parameter.
  curvatureOver({ run, channel, gated }, chosen) {
    const { net } = this, { inputs, outputs } = this.description, { train } = this.data, total = chosen?.length ?? this.patterns;
    const bytes = this.memory.Real.BYTES_PER_ELEMENT, together = this.sequences ? 1 : MOST_TOGETHER;
    const contexts = this.sequences && this.allContexts("train");
    for (let start = 0; start < total; start += together) {
      const some = Math.min(together, total - start);
      for (let k = 0; k < some; k++) {
        const pattern = chosen?.[start + k] ?? start + k;
        if (contexts) this.writeSteps(gated, this.sequences.endingWith("train", train.inputs, pattern, contexts));
        else net.writeInputs(this.x + k * inputs * bytes, train.inputs, pattern * inputs);
        net.writeUnits(net.layers.length - 1, this.d + k * outputs * bytes, train.exact, pattern * outputs);
      }
      run.gather(net.state, net.tables, this.x, this.d, BigInt(some), this.gates);
    }
    const count = new this.memory.Real([total])[0], means = {};
    for (const name of this.names) {
      means[name] = net.unpack(name, `sum ${channel}`, this.sizes[name]).map((sum) => sum / count);
      for (const sum of ["sum g", `sum ${channel}`]) net.pack(name, sum, 0);
    }
    return means;
  }

  get passIsOver() {
    return this.at >= this.patterns;
  }

  step(most) {
    if (this.running === null) this.begin();
    const { running } = this, { stage } = running;
    let done = 0;
    while (done < most && this.at < this.patterns) {
      let count = Math.min(most - done, this.patterns - this.at, this.sequences ? 1 : MOST_TOGETHER);
      if (!running.module.run.learn) count = Math.min(count, stage.batch - running.batched);
      for (let k = 0; k < count; k++) this.present(this.at + k, k);
      this.learn(count);
      this.at += count;
      done += count;
    }
    return done;
  }

  // Write presentation `number` of this pass to place `k` of the arguments.
  present(number, k) {
    const { running, net, memory, drawn, presented } = this, { inputs: width, outputs, shape } = this.description, { train } = this.data;
    const bytes = memory.Real.BYTES_PER_ELEMENT, pattern = running.order === null ? number : running.order[number];
    let values = train.inputs, start = pattern * width;
    if (running.shifts !== null) {
      shifted(values, start, shape, running.shifts[2 * number], running.shifts[2 * number + 1], running.stage.shift[1], presented);
      values = presented;
      start = 0;
    }
    if (running.noise) {
      for (let i = 0; i < width; i++) presented[i] = values[start + i] + running.noise * this.draw.noise.normal(this.normalTable);
      values = presented;
      start = 0;
    }
    let address = this.gates + k * running.row * bytes;
    for (const { layer, chance, draw } of running.dropped) {
      const { units } = net.layers[layer], factor = 1 / (1 - chance);
      for (let i = 0; i < units; i++) drawn[i] = draw.double() >= chance ? factor : 0;
      if (layer < net.inputLayers) {
        if (values !== presented) for (let i = 0; i < width; i++) presented[i] = values[start + i];
        const first = net.layers.slice(0, layer).reduce((sum, each) => sum + each.units, 0);
        for (let i = 0; i < units; i++) presented[first + i] *= drawn[i];
        values = presented;
        start = 0;
      } else {
        net.writeUnits(layer, address, drawn);
        address += units * bytes;
      }
    }
    for (const layer of running.module.noisy) {
      const one = running.noisy.find((each) => each.layer === layer), { units } = net.layers[layer];
      for (let i = 0; i < units; i++) drawn[i] = one ? running.theta * one.draw.normal(this.normalTable) : 0;
      net.writeUnits(layer, address, drawn);
      address += units * bytes;
    }
    if (this.sequences) {
      const { learning, starts } = this.sequences;
      if (starts.train[pattern]) learning.start();
      learning.read(values, start);
      this.writeSteps(running.module.gated, learning);
    } else net.writeInputs(this.x + k * width * bytes, values, start);
    net.writeUnits(net.layers.length - 1, this.d + k * outputs * bytes, train.exact, pattern * outputs);
  }

  // Write the row of a walk through a sequence, and the gates of these layers.
  writeSteps(gated, walk) {
    this.sequences.write(walk, this.net, this.x);
    this.sequences.writeGates(walk, this.net, gated, this.gates);
  }

  learn(count) {
    const { net, running } = this, { run } = running.module, { stage } = running;
    if (run.learn) {
      run.learn(net.state, net.tables, this.x, this.d, BigInt(count), this.gates, this.numbers, BigInt(this.updates + 1));
      this.updates += count;
      this.sequences?.carry(net);
      return;
    }
    run.gather(net.state, net.tables, this.x, this.d, BigInt(count), this.gates);
    this.sequences?.carry(net);
    running.batched += count;
    if (running.batched < stage.batch && this.at + count < this.patterns) return;
    run.apply(net.state, net.tables, this.numbers, BigInt(++this.updates), stage.batch_mean ? 1 / running.batched : 1);
    running.batched = 0;
  }

  // Score the pass, and stand before the next one. An error if the cost is not finite any more.
  endPass() {
    this.number++;
    this.at = 0;
    this.running = null;
    const { train, test, outputs } = this.score();
    if (!Number.isFinite(train.loss)) throw new Error(`the training diverged in pass ${this.number}: its cost is ${train.loss}. Lower the learning rate and restart.`);
    return { number: this.number, train, test, outputs, left: this.masks && countRemaining(this.masks, this.sharers) };
  }

  pass() {
    do this.step(Infinity);
    while (!this.passIsOver);
    return this.endPass();
  }

  // ---- What the net does -------------------------------------------------------------------------------------------

  // The net that evaluates, with the weights of now. A net with delays that learns several steps at once has another one,
  // of one step. Any module of a net will do: all of them evaluate alike.
  evaluation() {
    const { sequences, names, sizes } = this, number = sequences?.evaluating ?? null;
    const net = number === null ? this.net : this.nets[number];
    if (number !== null) {
      net.reset();
      for (const name of names) net.pack(name, "value", this.net.unpack(name, "value", sizes[name]));
    }
    return { net, run: net.modules[0].run };
  }

  evaluate(set) {
    const { inputs: width, outputs: units } = this.description, { inputs } = this.data[set], { memory } = this;
    const bytes = memory.Real.BYTES_PER_ELEMENT, patterns = inputs.length / width, outputs = new memory.Real(patterns * units);
    const { net, run } = this.evaluation(), made = (count, first) => {
      run.evaluate(net.state, net.tables, this.x, this.made, BigInt(count));
      for (let k = 0; k < count; k++) net.readUnits(net.layers.length - 1, this.made + k * units * bytes, outputs, (first + k) * units);
    };
    if (this.sequences) {
      this.sequences.follow(net, this.x, set, inputs, 0, patterns, (step) => made(1, step));
      return outputs;
    }
    for (let first = 0; first < patterns; first += MOST_TOGETHER) {
      const count = Math.min(MOST_TOGETHER, patterns - first);
      for (let k = 0; k < count; k++) net.writeInputs(this.x + k * width * bytes, inputs, (first + k) * width);
      made(count, first);
    }
    return outputs;
  }

  // Go through the steps of a set from `first` to `end`, and return the walk (see Sequences.follow).
  follow({ net, run }, set, first, end, seen = () => {}) {
    return this.sequences.follow(net, this.x, set, this.data[set].inputs, first, end, (step) => {
      run.evaluate(net.state, net.tables, this.x, this.made, 1n);
      seen(step);
    });
  }

  // A function that returns the context after each step of a set.
  allContexts(set) {
    const evaluation = this.evaluation(), { sequences } = this, size = sequences.context, all = new this.memory.Real(this.patterns * size);
    this.follow(evaluation, set, 0, this.patterns, (step) => sequences.readContext(evaluation.net, sequences.carried, all.subarray(step * size, (step + 1) * size)));
    return (step) => all.subarray(step * size, (step + 1) * size);
  }

  // The scores of the weights now, with the outputs for the test patterns, or for the training patterns if there are none.
  score() {
    const { outputs: units, cost, criterion } = this.description, made = {};
    const of = (set) => {
      if (!this.data[set]) return null;
      made[set] = this.evaluate(set);
      return scoreOutputs(Float64Array.from(made[set]), Float64Array.from(this.data[set].exact), units, cost, criterion);
    };
    const train = of("train"), test = of("test");
    return { train, test, outputs: Float32Array.from(made.test ?? made.train) };
  }

  // `input` (in units), or pattern `index` of `set`. `weights` names parameters; `errors` asks for dE/da of every layer.
  look({ input = null, set = "train", index = 0, weights = [], errors = false }) {
    const { inputs: width } = this.description, bytes = this.memory.Real.BYTES_PER_ELEMENT, evaluation = this.evaluation(), { net, run } = evaluation;
    const values = input ?? this.data[set].inputs, start = input ? 0 : index * width;
    let before = null; // the states that delayed connections read
    if (this.sequences) {
      const walk = this.follow(evaluation, set, this.sequences.startOf(set, index), index);
      before = this.sequences.statesOf(net, walk.context);
      walk.read(values, start);
      this.sequences.write(walk, net, this.x);
    } else net.writeInputs(this.x, values, start);
    run.states(net.state, net.tables, this.x, this.made, 1n);
    const states = {};
    let address = this.made;
    net.layers.forEach(({ name, units }, layer) => {
      states[name] = net.readUnits(layer, address, new Float32Array(units));
      address += units * bytes;
    });
    return {
      states,
      before,
      at: this.place(),
      weights: Object.fromEntries(weights.filter((name) => name in this.sizes).map((name) => [name, Float32Array.from(net.unpack(name, "value", this.sizes[name]))])),
      errors: errors && input === null ? this.errorsFor(set, index) : null,
      rates: this.rates ?? null,
    };
  }

  // dE/da of every layer for a pattern: it is learned, and everything is put back.
  errorsFor(set, index) {
    if (this.running === null) return null;
    const { net, running } = this, { outputs, inputs } = this.description, kept = net.block.slice(), found = {};
    const { run, gated, noisy } = running.module, units = (layers) => layers.reduce((sum, layer) => sum + net.layers[layer].units, 0);
    this.memory.real(this.gates, units(gated)).fill(1);
    this.memory.real(this.gates + units(gated) * kept.BYTES_PER_ELEMENT, units(noisy)).fill(0);
    if (this.sequences) this.writeSteps(gated, this.walkTo(set, index));
    else net.writeInputs(this.x, this.data[set].inputs, index * inputs);
    net.writeUnits(net.layers.length - 1, this.d, this.data[set].exact, index * outputs);
    if (run.learn) run.learn(net.state, net.tables, this.x, this.d, 1n, this.gates, this.numbers, BigInt(this.updates + 1));
    else run.gather(net.state, net.tables, this.x, this.d, 1n, this.gates);
    net.layers.forEach((layer, k) => {
      if (k) found[layer.name] = net.readUnits(k, net.addressOf(k, "error"), new Float32Array(layer.units));
    });
    net.block.set(kept);
    return found;
  }

  // The walk that learns a step of a set, with a context that has the weights of now.
  walkTo(set, index) {
    const { sequences } = this, start = sequences.startOf(set, index);
    return sequences.endingWith(set, this.data[set].inputs, index, (step) => this.follow(this.evaluation(), set, start, step + 1).context);
  }

  // ---- What the page asks for --------------------------------------------------------------------------------------

  place() {
    return { pass: this.number, passes: this.passes, inPass: this.at, patterns: this.patterns, presentations: this.number * this.patterns + this.at, number: this.number };
  }

  opened() {
    const data = Object.fromEntries(Object.entries(this.data).map(([set, { inputs, targets }]) => [set, { inputs: Float32Array.from(inputs), targets: Float32Array.from(targets) }]));
    return { data, at: this.place() };
  }

  weights() {
    return Object.fromEntries(this.names.map((name) => [name, this.net.unpack(name, "value", this.sizes[name])]));
  }

  load(weights) {
    for (const name of this.names) if (weights[name]) this.net.pack(name, "value", weights[name]);
  }

  set(values) {
    for (const [name, value] of Object.entries(values)) {
      if (name === "rate") this.changes.rate = value ?? 1;
      else if (value === null) delete this.changes.options[name.replace(/^option-/, "")];
      else this.changes.options[name.replace(/^option-/, "")] = value;
    }
    if (this.running !== null) this.useSettings();
    else {
      const { stage, inside } = this.stageOf(Math.min(this.number + 1, this.passes)), net = this.netFor(stage, inside - 1);
      if (net !== this.net && this.netHasRuleOf(net)) this.move(net);
    }
  }

  // Whether another net has the rule of the net now, so that its state can be carried over.
  netHasRuleOf(net) {
    const now = this.stageOf(Math.max(1, this.number)).stage, pair = [now.net, this.description.adjustable?.[this.description.stages.indexOf(now)].net];
    return pair.includes(this.nets.indexOf(net)) && pair.includes(this.nets.indexOf(this.net));
  }
}

// Write a picture moved by so many rows and columns to `moved`; what comes in from outside is `fill`, or with null what
// went out.
function shifted(values, start, shape, down, right, fill, moved) {
  const [rows, columns] = shape.slice(-2), maps = shape.length === 3 ? shape[0] : 1;
  for (let m = 0, i = 0; m < maps; m++) {
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++, i++) {
        const row = r - down, column = c - right, inside = row >= 0 && row < rows && column >= 0 && column < columns;
        const from = (m * rows + (((row % rows) + rows) % rows)) * columns + (((column % columns) + columns) % columns);
        moved[i] = inside || fill === null ? values[start + from] : fill;
      }
    }
  }
}
