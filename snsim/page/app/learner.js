// MOCK
import { incoming } from "./wiring.js";
export async function openTraining(description, arrays) { return new Mock(description, arrays); }
class Mock {
  constructor(d, arrays) {
    this.view = d.view; this.passes = d.passes; this.chunk = 50; this.number = 0; this.at = 0;
    this.data = {};
    for (const set of ["train", "test"]) if (arrays[`${set}.inputs`]) this.data[set] = { inputs: new Float32Array(arrays[`${set}.inputs`]), targets: new Float32Array(arrays[`${set}.targets`]) };
    this.n = this.data.train.inputs.length / d.view.layers[0].units;
    this.lines = {};
    for (const c of d.view.connections) { const units = d.view.layers.find((l) => l.name === c.target).units; this.lines[c.name] = Array.from({ length: units }, (_, u) => incoming(c, u)); }
    this.restart(1);
  }
  restart(seed) { let s = seed + 7; const r = () => ((s = (s * 16807) % 2147483647) / 2147483647) * 2 - 1;
    this.w = {}; for (const p of this.view.parameters) { const n = p.shape.reduce((a, b) => a * b, 1); const f = p.name.includes("output") ? 30 : 100; this.w[p.name] = Float32Array.from({ length: n }, () => (r() * 3) / Math.sqrt(f)); } this.number = 0; this.at = 0; }
  place() { return { pass: this.number, passes: this.passes, inPass: this.at, patterns: this.n, presentations: this.number * this.n + this.at, number: this.number }; }
  opened() { return { data: this.data, at: this.place() }; }
  step(n) { const t = performance.now(); while (performance.now() - t < n * 0.02); const d = Math.min(n, this.n - this.at); this.at += d; for (const k in this.w) for (let i = 0; i < this.w[k].length; i++) this.w[k][i] += 0.001 * Math.sin(i + this.at); return d; }
  get passIsOver() { return this.at >= this.n; }
  forward(input) { const states = {}; this.view.layers.forEach((l, k) => { if (!k) { states[l.name] = Float32Array.from(input); return; } const x = new Float32Array(l.units); const b = this.w[l.bias_parameter]; for (let u = 0; u < l.units; u++) { let a = b ? b[l.bias === "unit" ? u : 0] : 0; for (const c of this.view.connections) if (c.target === l.name) { const { sources, weights } = this.lines[c.name][u], w = this.w[c.parameter], s = states[c.source]; for (let i = 0; i < sources.length; i++) a += (sources[i] < 0 ? c.border_value : s[sources[i]]) * (w ? w[weights[i]] : 1); } x[u] = 1.7159 * Math.tanh((2 * a) / 3); } states[l.name] = x; }); return states; }
  oldScore(set) { const n = this.view.data[set]; const e = 90 * Math.exp(-this.number / 5) + 3; return { loss: e / 100, half_mse: e / 1000, error: e, misses: Math.round(e * n / 100), patterns: n }; }
  endPass() { this.number++; this.at = 0; return { number: this.number, train: this.score("train"), test: this.data.test ? this.score("test") : null, outputs: this.outputs({}) }; }
  outputs() { const set = this.data.test ?? this.data.train, I = this.view.layers[0].units, O = this.view.layers.at(-1).units; const o = new Float32Array(set.targets.length); let s = 1 + this.number; for (let i = 0; i < o.length; i++) { s = (s * 16807) % 2147483647; o[i] = set.targets[i] + (s / 2147483647 - 0.5) * 2.4; } return o; }
  look({ input, set, index, weights }) { const I = this.view.layers[0].units; const states = this.forward(input ?? this.data[set].inputs.subarray(index * I, (index + 1) * I)); return { states, at: this.place(), weights: Object.fromEntries(weights.map((k) => [k, this.w[k]])), errors: null, rates: null }; }
  weights() { return this.w; }
  load(w) { Object.assign(this.w, w); }
  set() {}
}
Mock.prototype.score = function (set) { if (set === undefined) return { train: this.score("train"), test: this.data.test ? this.score("test") : null, outputs: this.outputs() }; const n = this.view.data[set]; const e = 90 * Math.exp(-this.number / 5) + 3; return { loss: e / 100, half_mse: e / 1000, error: e, misses: Math.round(e * n / 100), patterns: n }; };
