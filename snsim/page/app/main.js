// The page: it opens what it carries, starts the worker, and draws while the net learns.

import { Description } from "./description.js";
import { byId, element, setText, short, whole } from "./elements.js";
import { fittingWeights, fromSafetensors, readLink, toCsv, toSafetensors, writeLink } from "./files.js";
import { listenToHost } from "./host.js";
import { Kernels } from "./kernels.js";
import { Mistakes } from "./mistakes.js";
import { Answer, Network } from "./network.js";
import { Pad } from "./pad.js";
import { readColours } from "./panel.js";
import { Progress } from "./progress.js";
import { largest } from "./scores.js";
import { Session } from "./session.js";
import { Unit } from "./unit.js";
import { readArrays, readJson } from "./unpack.js";
import { feeding } from "./wiring.js";

const LEARNING = "learning"; // show the pattern that was presented last
const SPEEDS = [1, 3, 10, 30, 100, 300, 1000, 3000, null]; // presentations a second; null: as fast as it can

export class Page {
  constructor(view) {
    this.view = view;
    this.running = false;
    this.touched = false; // rates or weights were changed by hand
    this.shown = { set: view.data.test ? "test" : "train", index: 0, input: null, words: "" };
    this.seed = view.seed;
    this.judged = 0;
    this.late = null;
    this.frames = { count: 0, time: 0, worst: 0 };
  }

  async open() {
    readColours();
    const arrays = await readArrays();
    this.tables = readTables(this.view, arrays);
    for (const one of this.view.connections) {
      if (one.fixed === "codes") one.codes = new Float32Array(arrays[`codes-${one.name}`]);
      if (one.gain !== null) one.owners = new Int32Array(arrays[`owners-${one.name}`]); // of each weight: the place of its gain
    }
    this.session = new Session((news) => this.hear(news));
    const opened = await this.session.ask("open", { description: readJson("training"), arrays });
    this.data = opened.data;
    this.at = opened.at;
    this.build();
    this.listen();
    await this.look();
    this.sayStart();
    document.body.dataset.ready = "true";
    await this.follow(location.hash);
    requestAnimationFrame(() => this.frame());
  }

  build() {
    const { view } = this;
    this.description = new Description();
    this.progress = new Progress(view);
    this.unit = new Unit(view, this.tables);
    this.network = new Network(byId("layers"), view, this.tables,
      (chosen) => {
        this.unit.choose(chosen);
        if (chosen) this.description.find(chosen.layer);
        this.need();
      },
      (layer, on) => this.description.show(layer, on));
    this.kernels = new Kernels(view, this.tables, (connection, from, to) => this.markPair(connection, from, to));
    this.answer = new Answer(view);
    this.mistakes = new Mistakes(view, this.data, (set, index) => {
      this.show(set, index);
      byId("input-card").scrollIntoView({ block: "nearest", behavior: "instant" });
    });
    this.pad = new Pad(view, (input, words) => this.showInput(input, words));
    this.buildSettings();
    this.buildSets();
  }

  buildSettings() {
    const boxes = this.view.settings.map((one) => {
      const box = element("input", { type: "number", step: "any", value: one.value, min: 0, id: `set-${one.name}`, oninput: () => this.change(one, box) });
      return element("label", { title: one.help }, element("span", {}, one.label), box);
    });
    byId("settings").replaceChildren(...boxes);
  }

  change(one, box) {
    const value = box.value === "" ? one.value : Number(box.value); // an empty box is the training's own value
    if (value !== null && (!Number.isFinite(value) || value < 0)) return;
    this.session.ask("set", { [one.name]: value === one.value ? null : value }).catch((error) => this.fault(error.message));
    this.touched = true;
    this.sayState();
  }

  buildSets() {
    const sets = ["test", "train"].filter((set) => this.view.data[set]);
    byId("set").replaceChildren(...sets.map((set) => element("option", { value: set }, `${set} pattern`)), element("option", { value: LEARNING }, "as it learns"));
    byId("set").value = this.shown.set;
    byId("index").max = this.view.data[this.shown.set] - 1;
  }

  listen() {
    const on = (id, event, act) => byId(id).addEventListener(event, act);
    on("go", "click", () => (this.running ? this.pause() : this.run()));
    on("step", "click", () => this.once("step"));
    on("pass", "click", () => this.run(this.at.pass + 1));
    on("restart", "click", () => this.restart(this.seed));
    on("seed", "change", () => this.restart(Math.max(0, Math.floor(Number(byId("seed").value) || 0))));
    on("speed", "input", () => {
      const perSecond = SPEEDS[Number(byId("speed").value)];
      const words = perSecond === null ? "full speed" : `${whole(perSecond)} a second`;
      setText("speed-text", words);
      byId("speed").setAttribute("aria-valuetext", words);
      this.session.ask("speed", { perSecond });
    });
    on("set", "change", () => this.show(byId("set").value, 0));
    on("index", "input", () => this.show(byId("set").value, Number(byId("index").value) || 0));
    on("previous", "click", () => this.show(byId("set").value, this.shown.index - 1));
    on("next", "click", () => this.show(byId("set").value, this.shown.index + 1));
    on("unit-find", "click", () => byId("unit-card").scrollIntoView({ block: "nearest", behavior: "instant" }));
    on("misses-all", "click", () => this.mistakes.filter(null));
    on("passes-details", "toggle", () => this.progress.table());
    on("save-weights", "click", () => this.saveWeights());
    on("load-weights", "click", () => byId("weights-file").click());
    on("weights-file", "change", (event) => this.loadWeights(event.target.files[0]));
    on("save-csv", "click", () => save(`${this.view.file}.csv`, toCsv(this.progress.passes), "text/csv"));
    on("copy-link", "click", () => this.copyLink());
    byId("copy-link").hidden = byId("link-words").hidden = globalThis.parent !== globalThis; // a frame has no address of its own
    addEventListener("hashchange", () => this.follow(location.hash));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      readColours();
      this.need();
    });
    for (const event of ["scroll", "resize"]) addEventListener(event, () => this.need(), { passive: true }); // what was out of sight is not drawn
    new ResizeObserver(() => {
      if (Math.abs(byId("layers").clientWidth - this.network.room) < 24) return;
      this.network.build();
      this.kernels.open(Number(byId("connection").value) || 0);
      this.need();
    }).observe(byId("layers"));
    const controls = document.querySelector(".controls"); // stays in sight: what is scrolled to stands below it
    new ResizeObserver(() => {
      const height = getComputedStyle(controls).position === "sticky" ? controls.offsetHeight : 0;
      document.documentElement.style.scrollPaddingTop = `${height + 12}px`;
    }).observe(controls);
    addEventListener("keydown", (event) => {
      if (event.target.closest("input, select, textarea, button, summary, a, [role=application]") || event.ctrlKey || event.metaKey || event.altKey) return;
      const act = { " ": () => (this.running ? this.pause() : this.run()), ".": () => this.once("step"), r: () => this.restart(this.seed), n: () => byId("next").click(), p: () => byId("previous").click(), c: () => !byId("pad-box").hidden && this.pad.clear() }[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    });
    on("clear", "keydown", (event) => event.stopPropagation());
  }

  // ---- Learning ---------------------------------------------------------------------------------------------------

  async run(untilPass = null) {
    if (this.at.pass >= this.at.passes) return this.say(`All ${whole(this.at.passes)} passes are done: restart to learn again.`);
    this.setRunning(true);
    await this.session.ask("run", { perSecond: SPEEDS[Number(byId("speed").value)], untilPass }).catch((error) => this.fault(error.message));
  }

  async pause() {
    await this.session.ask("pause");
  }

  async once(request) {
    if (this.running) await this.pause();
    if (this.at.pass >= this.at.passes) return this.say(`All ${whole(this.at.passes)} passes are done: restart to learn again.`);
    await this.session.ask(request).catch((error) => this.fault(error.message));
    this.need();
  }

  async restart(seed) {
    if (this.running) this.setRunning(false);
    this.seed = seed;
    byId("seed").value = seed;
    await this.session.ask("restart", { seed });
    this.touched = this.view.settings.some((one) => byId(`set-${one.name}`).value !== "" && Number(byId(`set-${one.name}`).value) !== one.value);
    this.network.reach = {};
    await this.look();
    await this.scoreNow();
    this.say(`Restarted with seed ${seed}.`);
  }

  // Reproduce the state that a link names.
  async follow(hash) {
    const { seed, passes } = readLink(hash);
    if (seed === null && passes === null) return this.scoreNow();
    await this.restart(seed ?? this.view.seed);
    if (passes) await this.run(Math.min(passes, this.at.passes));
  }

  hear(news) {
    if (news.news === "pass") {
      this.progress.add(news.result);
      const at = news.result.number;
      setText("live", `Pass ${at} is done. ${scoreWords(news.result)}`);
      this.late = news.outputs; // a net may learn many passes in a second
      if (performance.now() - this.judged > 500) this.judge();
    } else if (news.news === "stopped") {
      this.setRunning(false);
      this.judge();
      if (news.why === "done") this.say(`All ${whole(this.at.passes)} passes are done.`);
      this.need();
    } else if (news.news === "fault") {
      this.setRunning(false);
      this.fault(news.fault);
    }
  }

  judge() {
    if (this.late) this.mistakes.update(this.late);
    this.late = null;
    this.judged = performance.now();
  }

  setRunning(on) {
    this.running = on;
    document.body.dataset.running = String(on);
    byId("go").setAttribute("aria-pressed", String(on));
    setText("go-text", on ? "Pause" : "Learn");
    this.sayState();
  }

  // ---- Looking ----------------------------------------------------------------------------------------------------

  need() {
    this.stale = true;
  }

  async frame() {
    requestAnimationFrame(() => this.frame());
    if ((this.running || this.stale) && !this.looking && !document.hidden) {
      this.stale = false;
      await this.look();
    }
  }

  async look() {
    this.looking = true;
    try {
      const { input, set, index } = this.shown;
      const names = new Set([...(this.kernels?.parameter ? [this.kernels.parameter] : []), ...(this.unit?.parameters ?? [])]);
      const look = await this.session.ask("look", { input, set, index, weights: [...names], errors: Boolean(this.unit?.chosen) });
      look.drawn = input !== null;
      if (set === LEARNING && this.shown.set === LEARNING) byId("index").value = this.shown.index = look.index;
      const began = performance.now();
      this.paint(look);
      const spent = performance.now() - began;
      this.frames.count++;
      this.frames.time += spent;
      if (this.frames.count > 5) this.frames.worst = Math.max(this.frames.worst, spent);
    } finally {
      this.looking = false;
    }
  }

  paint(look) {
    this.at = look.at;
    this.network.paint(look.states);
    if (!this.shown.input) this.pad.follow(this.view.layers.flatMap((layer) => (layer.input ? [...look.states[layer.name]] : [])));
    const outputs = look.states[this.view.layers.at(-1).name], best = this.answer.paint(outputs);
    if (look.weights[this.kernels.parameter]) this.kernels.paint(look.weights[this.kernels.parameter]);
    this.unit.paint(look);
    this.sayAnswer(outputs, best);
    setText("at-pass", `${whole(look.at.pass)}`);
    setText("at-passes", `of ${whole(look.at.passes)}`);
    setText("at-patterns", whole(look.at.presentations));
    byId("pass-bar").style.width = `${(100 * look.at.inPass) / look.at.patterns}%`;
    this.sayState();
  }

  sayAnswer(outputs, best) {
    const { view, shown } = this, name = (unit) => view.classes[unit] ?? String(unit);
    const targets = shown.input ? null : this.data[shown.set === LEARNING ? "train" : shown.set].targets;
    const units = outputs.length;
    setText("answer", view.have_classes ? name(best) : units === 1 ? short(outputs[0]) : "");
    byId("answer-box").hidden = !view.have_classes && units > 1;
    if (targets === null) {
      setText("verdict", `reading ${shown.words}`);
      byId("verdict").className = "";
      return;
    }
    const place = shown.index * units;
    if (view.have_classes) {
      const label = largest(targets, place, units), right = label === best;
      setText("verdict", right ? `right: it is ${name(label)}` : `wrong: it is ${name(label)}`);
      byId("verdict").className = right ? "right" : "wrong";
    } else {
      setText("verdict", units <= 4 ? `target ${[...targets.subarray(place, place + units)].map((one) => short(one)).join(", ")}` : "");
      byId("verdict").className = "";
    }
  }

  show(set, index) {
    const count = this.view.data[set === LEARNING ? "train" : set];
    for (const id of ["index", "previous", "next"]) byId(id).disabled = set === LEARNING;
    index = Math.max(0, Math.min(count - 1, index));
    this.shown = { set, index, input: null, words: "" };
    byId("set").value = set;
    byId("index").max = count - 1;
    byId("index").value = index;
    this.need();
  }

  showInput(input, words) {
    if (input === null) return this.show(this.shown.set, this.shown.index);
    this.shown = { ...this.shown, input, words };
    this.need();
  }

  // Frame a pair of maps, and more faintly all maps that the target map reads.
  markPair(connection, from, to) {
    const { structure } = connection;
    if (structure.kind !== "windows") return;
    this.network.selected = null;
    this.unit.choose(null);
    for (const { layer, layout, panel } of this.network.rows) {
      const frame = (map, kind) => [...layout.around(map, 0, 0, layer.maps[1] - 1, layer.maps[2] - 1), kind];
      const marks = [];
      if (layer.maps && layer.name === connection.source) {
        for (const map of feeding(structure, to)) if (map !== from) marks.push(frame(map, "mark-far"));
        marks.push(frame(from, "mark-unit"));
      } else if (layer.maps && layer.name === connection.target) marks.push(frame(to, "mark-unit"));
      panel.mark(marks);
    }
  }

  // Score the weights as they are, which no pass of this page has made.
  async scoreNow() {
    const { train, test, outputs } = await this.session.ask("score");
    this.progress.restart({ train, test });
    this.mistakes.update(outputs);
  }

  // ---- A native training, told by the host -------------------------------------------------------------------------

  showPasses(passes) {
    this.progress.replace(passes);
  }

  async showWeights(weights) {
    if (this.running) await this.pause();
    await this.session.ask("load", { weights });
    this.touched = true;
    this.say("These are the weights of a native training.");
    await this.look();
    this.mistakes.update((await this.session.ask("score")).outputs);
  }

  // ---- Keeping ----------------------------------------------------------------------------------------------------

  async saveWeights() {
    const weights = await this.session.ask("weights");
    const arrays = this.view.parameters.filter((one) => weights[one.name]).map((one) => ({ name: one.name, shape: one.shape, values: weights[one.name] }));
    save(`${this.view.file}.safetensors`, toSafetensors(arrays), "application/octet-stream");
  }

  async loadWeights(file) {
    if (!file) return;
    try {
      const weights = fittingWeights(fromSafetensors(await file.arrayBuffer()), this.view.parameters);
      await this.restart(this.seed);
      await this.session.ask("load", { weights });
      this.touched = true;
      await this.look();
      await this.scoreNow();
      this.say(`Weights of ${file.name} are in the net.`);
    } catch (error) {
      this.fault(`${file.name}: ${error.message}`);
    }
    byId("weights-file").value = "";
  }

  async copyLink() {
    const link = writeLink(this.seed, this.at.pass);
    history.replaceState(null, "", link);
    try {
      await navigator.clipboard.writeText(location.href);
      this.say(`The link ends in ${link} and is copied.`);
    } catch {
      this.say(`The address of this page now ends in ${link}.`);
    }
  }

  // ---- Words ------------------------------------------------------------------------------------------------------

  say(sentence) {
    setText("live", sentence);
    byId("live").className = "";
  }

  fault(sentence) {
    setText("live", sentence);
    byId("live").className = "fault";
  }

  sayStart() {
    this.say(this.view.start_words);
  }

  sayState() {
    setText("touched", this.touched ? "Changed by hand: no longer the run of the description." : "");
  }
}

function scoreWords({ train, test }) {
  return `Wrong: ${whole(train.misses)} of ${whole(train.patterns)} train${test ? `, ${whole(test.misses)} of ${whole(test.patterns)} test` : ""} patterns.`;
}

function save(name, content, type) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  const link = element("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

function readTables(view, arrays) {
  const tables = {};
  for (const { name, structure } of view.connections) {
    if (structure.kind !== "table" || !arrays[`table-${name}`]) continue;
    const all = new Int32Array(arrays[`table-${name}`]), count = all.length / 3;
    tables[name] = { source: all.subarray(0, count), target: all.subarray(count, 2 * count), weight: all.subarray(2 * count) };
  }
  return tables;
}

export const page = new Page(readJson("view"));
globalThis.snsimPage = page; // for tests, and for the console of a curious reader
const opened = page.open();
opened.catch((error) => page.fault(error.message));
listenToHost(page, opened);
