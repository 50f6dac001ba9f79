// The steps that a net with delays reads. The compiled net is the one unrolled in time of snsim/engines/recurrent.py: a
// row of its inputs is the context, a 1 where the net has biases in its copies, and the inputs of the last steps.

// A walk through a sequence: the context, the inputs of the last steps (the oldest first), and the number of steps read.
class Walk {
  constructor(steps, width, context, Real) {
    this.width = width;
    this.context = new Real(context);
    this.window = new Real(steps * width);
    this.count = 0;
  }

  start() {
    this.context.fill(0);
    this.window.fill(0);
    this.count = 0;
  }

  read(inputs, at) {
    this.window.copyWithin(0, this.width);
    const last = this.window.length - this.width;
    for (let i = 0; i < this.width; i++) this.window[last + i] = inputs[at + i];
    this.count++;
  }
}

export class Sequences {
  constructor({ sequences, inputs, row }, arrays, memory) {
    Object.assign(this, sequences, { memory, width: inputs });
    this.starts = Object.fromEntries(Object.entries(sequences.starts_blobs).map(([set, blob]) => [set, new Uint8Array(arrays[blob])]));
    this.learning = this.walk(this.steps);
    this.row = new memory.Real(row);
    this.copyOf = Object.fromEntries(this.held.flatMap((names, copy) => names.map((name) => [name, copy])));
  }

  walk(steps) {
    return new Walk(steps, this.width, this.context, this.memory.Real);
  }

  // The first step of the sequence of a step.
  startOf(set, step) {
    while (step > 0 && !this.starts[set][step]) step--;
    return step;
  }

  // The order of the steps, whole sequences in the order that `draw(count)` returns.
  ordered(draw) {
    const starts = this.starts.train, first = [0];
    for (let k = 1; k < starts.length; k++) if (starts[k]) first.push(k);
    const order = new Int32Array(starts.length);
    let at = 0;
    for (const sequence of draw(first.length)) {
      for (let k = first[sequence]; k < (first[sequence + 1] ?? starts.length); k++) order[at++] = k;
    }
    return order;
  }

  // Write the row of a walk for a net. The net of one step has no 1.
  write({ context, window, width }, net, address) {
    const constant = this.constant && window.length > width ? 1 : 0;
    this.row.set(context);
    if (constant) this.row[context.length] = 1;
    this.row.set(window, context.length + constant);
    net.writeInputs(address, this.row);
  }

  // Write the gates of layers: copies of steps before the start of the sequence have states of 0.
  writeGates({ count }, net, gated, address) {
    for (const layer of gated) {
      const { name, units } = net.layers[layer], there = count >= this.steps - this.copyOf[name];
      const gates = this.memory.real(address, units);
      gates.fill(there ? 1 : 0);
      address += gates.byteLength;
    }
  }

  // Read the states of layers from a net after a presentation, as a context.
  readContext(net, names, context) {
    let at = 0;
    for (const name of names) {
      const layer = net.numbers[name];
      net.readUnits(layer, net.addressOf(layer, "x"), context, at);
      at += net.layers[layer].units;
    }
  }

  // After a presentation: the first of its steps is the context of the next one.
  carry(net) {
    if (this.learning.count >= this.steps) this.readContext(net, this.first_copy, this.learning.context);
  }

  // Go through steps of a set with a net of one step, from the start of a sequence: `compute(step)` runs the row at
  // `address`. Return the walk, whose context is that of step `end`.
  follow(net, address, set, inputs, first, end, compute) {
    const walk = this.walk(1);
    for (let step = first; step < end; step++) {
      if (this.starts[set][step]) walk.start();
      walk.read(inputs, step * this.width);
      this.write(walk, net, address);
      compute(step);
      this.readContext(net, this.carried, walk.context);
    }
    if (this.starts[set][end]) walk.start();
    return walk;
  }

  // The walk that ends with a step, for learning: `contextAfter(step)` gives the context after an earlier step.
  endingWith(set, inputs, step, contextAfter) {
    const walk = this.walk(this.steps), start = this.startOf(set, step), first = Math.max(start, step - this.steps + 1);
    if (first > start) walk.context.set(contextAfter(first - 1));
    for (let k = first; k <= step; k++) walk.read(inputs, k * this.width);
    return walk;
  }

  // The states of a context by name of the layer.
  statesOf(net, context) {
    const states = {};
    let at = 0;
    for (const name of this.carried) {
      const { units } = net.layers[net.numbers[name]];
      states[name] = Float32Array.from(context.subarray(at, at + units));
      at += units;
    }
    return states;
  }
}
