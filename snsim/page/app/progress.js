// The figures of the last pass, the curves of all passes with published figures as lines, and the table of passes.

import { byId, element, setText, short, svgElement, whole } from "./elements.js";

const WIDTH = 360, HEIGHT = 150, LEFT = 44, RIGHT = 52, TOP = 10, BOTTOM = 22;
const SPLITS = ["train", "test"];
const LOSSES = { loss: "Loss", half_mse: "½ mean square error", mse: "Mean square error" }; // fields of a score

export class Progress {
  constructor(view) {
    this.view = view;
    this.passes = [];
    setText("loss-title", LOSSES[view.loss_figure]);
    byId("no-test").hidden = view.data.test > 0;
    this.draw();
  }

  // `scores` are those of the weights now, before the first pass.
  restart(scores) {
    this.passes = [];
    this.start = scores;
    this.draw();
  }

  add(result) {
    this.passes.push(result);
    this.draw();
  }

  replace(passes) {
    this.passes = passes;
    this.draw();
  }

  draw() {
    const last = this.passes.at(-1) ?? this.start;
    const left = last?.left ? `; ${whole(last.left.connections)} connections (${whole(last.left.weights)} weights) remain` : "";
    setText("scored", this.passes.length ? `after pass ${last.number}${left}` : "before the first pass");
    for (const split of SPLITS) {
      const score = last?.[split];
      byId(`row-${split}`).hidden = split === "test" && !this.view.data.test;
      setText(`${split}-misses`, score ? `${whole(score.misses)} of ${whole(score.patterns)}` : "–");
      setText(`${split}-error`, score ? `${score.error.toFixed(2)} %` : "–");
      setText(`${split}-loss`, score ? short(score.loss, 4) : "–");
    }
    this.chart("error", "error, percent", (score) => score.error, false);
    const figure = this.view.loss_figure;
    this.chart("loss", LOSSES[figure].toLowerCase(), (score) => score[figure], true);
    this.table();
  }

  chart(name, label, value, logarithmic) {
    const svg = byId(`chart-${name}`), points = {}, published = this.view.curves[name] ?? {};
    for (const split of SPLITS) {
      points[split] = this.passes.filter((one) => one[split]).map((one) => [one.number, value(one[split])]).filter((one) => Number.isFinite(one[1]));
    }
    const all = SPLITS.flatMap((split) => points[split].map((one) => one[1]));
    const stated = SPLITS.flatMap((split) => (published[split] === undefined ? [] : [published[split]]));
    const positive = logarithmic && all.every((one) => one > 0) && all.length > 0;
    const most = Math.max(...all, ...(all.length ? stated.map((one) => one * 1.05) : stated), 1e-9) || 1;
    const least = positive ? Math.min(...all, ...stated.filter((one) => one > 0)) : 0;
    const passes = Math.max(this.view.passes, this.passes.length, 2), right = WIDTH - RIGHT, bottom = HEIGHT - BOTTOM;
    const x = (pass) => LEFT + ((pass - 1) / (passes - 1)) * (right - LEFT);
    const scale = positive ? (one) => Math.log(one / least) / Math.log(most / least || 2) : (one) => one / most;
    const y = (one) => bottom - Math.max(0, Math.min(1, scale(one) || 0)) * (bottom - TOP);
    const parts = [];
    const marks = positive ? [most, Math.sqrt(most * least), least] : niceMarks(most);
    let digits = 2; // as many as tell the marks apart
    while (digits < 6 && new Set(marks.map((mark) => short(mark, digits))).size < marks.length) digits++;
    for (const mark of marks) {
      parts.push(svgElement("line", { x1: LEFT, x2: right, y1: y(mark), y2: y(mark), class: "grid" }),
        svgElement("text", { x: LEFT - 6, y: y(mark) + 4, class: "tick end" }, all.length || stated.length ? short(mark, digits) : ""));
    }
    for (const pass of [1, passes]) parts.push(svgElement("text", { x: x(pass), y: HEIGHT - 6, class: "tick middle" }, String(pass)));
    parts.push(svgElement("text", { x: (LEFT + right) / 2, y: HEIGHT - 6, class: "tick middle" }, "pass"));
    const labels = [];
    for (const split of SPLITS) {
      if (published[split] !== undefined) {
        const at = y(published[split]);
        parts.push(svgElement("line", { x1: LEFT, x2: right, y1: at, y2: at, class: `published ${split}` }));
        labels.push([at, "paper", `${split} faint`]);
      }
      const line = points[split];
      if (!line.length) continue;
      parts.push(svgElement("polyline", { points: line.map(([pass, one]) => `${x(pass)},${y(one)}`).join(" "), class: `curve ${split}` }),
        svgElement("circle", { cx: x(line.at(-1)[0]), cy: y(line.at(-1)[1]), r: 3, class: `dot ${split}` }));
      labels.push([y(line.at(-1)[1]), split, split]);
    }
    labels.sort((a, b) => a[0] - b[0]);
    labels.forEach((one, i) => { // labels do not cover each other
      if (i && one[0] < labels[i - 1][0] + 11) one[0] = labels[i - 1][0] + 11;
    });
    const below = Math.max(0, (labels.at(-1)?.[0] ?? 0) - (bottom - 4)); // nor the numbers of the passes
    if (below) for (let i = labels.length - 1, room = bottom - 4; i >= 0; i--, room -= 11) labels[i][0] = Math.min(labels[i][0], room);
    for (const [at, text, kind] of labels) parts.push(svgElement("text", { x: right + 6, y: at + 4, class: `name ${kind}` }, text));
    svg.replaceChildren(...parts);
    const last = SPLITS.filter((split) => points[split].length).map((split) => `${split} ${short(points[split].at(-1)[1])}`);
    svg.setAttribute("aria-label", `${label} after each pass. ${last.length ? `Last: ${last.join(", ")}.` : "No pass is done yet."}`);
  }

  table() {
    const body = byId("passes");
    if (!byId("passes-details").open && this.passes.length) return;
    body.replaceChildren(...this.passes.map((one) => element("tr", {},
      element("td", { class: "number" }, String(one.number)),
      ...SPLITS.filter((split) => split === "train" || this.view.data.test).flatMap((split) =>
        [short(one[split].loss, 5), one[split].error.toFixed(2), whole(one[split].misses)].map((text) => element("td", { class: "number" }, text))))));
  }
}

function niceMarks(most) {
  const step = [1, 2, 5, 10].map((one) => one * 10 ** Math.floor(Math.log10(most / 3))).find((one) => most / one <= 4) ?? most / 3;
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
}
