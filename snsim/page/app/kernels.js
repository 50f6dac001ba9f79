// The weights of one connection as kernels: a row for each source map, a column for each target map, as the connection
// table has them. A click on a kernel, or the two numbers, choose a pair of maps.

import { byId, element, setText, short, whole } from "./elements.js";
import { isVisible, Panel, reachOf } from "./panel.js";
import { fedBy, feeding, kernels } from "./wiring.js";

const MOST_PIXELS = 3_000_000, TALLEST = 520;

export class Kernels {
  constructor(view, tables, onPair) {
    Object.assign(this, { view, tables, onPair });
    this.list = view.connections.filter((one) => one.shown);
    this.choice = byId("connection");
    this.choice.replaceChildren(...this.list.map((one, place) =>
      element("option", { value: place }, `${one.source_label} to ${one.target_label}`)));
    this.choice.addEventListener("change", () => this.open(Number(this.choice.value)));
    for (const id of ["from-map", "to-map"]) byId(id).addEventListener("input", () => this.pick(Number(byId("from-map").value), Number(byId("to-map").value)));
    byId("kernels-card").hidden = !this.list.length;
    if (this.list.length) this.open(this.list.indexOf(mostTelling(this.list)));
  }

  get parameter() {
    return this.list.length ? this.connection.parameter : null;
  }

  open(place) {
    this.connection = this.list[place];
    this.choice.value = place;
    this.form = kernels(this.connection, this.view.layers, this.tables[this.connection.name] ?? null);
    this.reach = null;
    const { sources, targets, rows, columns, gap } = this.form;
    const room = Math.max(240, byId("kernels").parentElement.clientWidth - (innerWidth > 1200 ? 260 : 8) - 28);
    const size = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
    const byWidth = Math.floor((room / targets - 4) / columns), byHeight = Math.floor(((TALLEST * size) / sources - 4) / rows);
    const cell = Math.max(1, Math.min(Math.round(14 * size), byWidth, Math.max(byHeight, 3)));
    const space = gap * (cell > 3 ? 4 : 2) || (cell > 3 ? 2 : 1);
    this.stepX = columns * cell + space;
    this.stepY = rows * cell + space;
    this.width = targets * this.stepX - space;
    this.height = sources * this.stepY - space;
    const title = `${this.connection.source_label} to ${this.connection.target_label}: ${this.connection.text}`;
    setText("kernels-text", title);
    const tooLarge = this.width * this.height > MOST_PIXELS;
    setText("kernels-note", tooLarge ? `${whole(sources)} by ${whole(targets)} kernels are too many to draw.` : "");
    if (tooLarge) {
      this.panel = null;
      byId("kernels").replaceChildren();
      return;
    }
    this.panel = new Panel(this.width, this.height, this.owners(cell), `The weights of ${title}`);
    this.panel.canvas.classList.add("pickable");
    this.panel.canvas.addEventListener("click", (event) => {
      const area = this.panel.canvas.getBoundingClientRect();
      const x = ((event.clientX - area.left) * this.width) / area.width, y = ((event.clientY - area.top) * this.height) / area.height;
      this.pick(Math.floor(y / this.stepY), Math.floor(x / this.stepX));
    });
    byId("kernels").replaceChildren(this.numbered(this.panel.box, cell));
    for (const [id, count] of [["from-map", sources], ["to-map", targets]]) byId(id).max = count - 1;
    this.pick(0, 0, false);
    if (this.last) this.paint(this.last);
  }

  // The panel with the numbers of the target maps above it, and those of the source maps beside it.
  numbered(panel, cell) {
    const { sources, targets, rows, columns } = this.form;
    const names = (count, step, width, whole, room, side) => {
      const every = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((one) => one * step >= room) ?? count;
      const numbers = Array.from({ length: Math.ceil(count / every) }, (_, k) => {
        const name = element("span", {}, String(k * every));
        name.style[side] = `${(100 * (k * every * step + width / 2)) / whole}%`;
        return name;
      });
      return element("div", { class: `numbers ${side}`, "aria-hidden": "true" }, ...numbers);
    };
    return element("div", { class: "numbered" },
      names(targets, this.stepX, columns * cell, this.width, 20, "left"),
      names(sources, this.stepY, rows * cell, this.height, 13, "top"), panel);
  }

  owners(cell) {
    const { sources, targets, columns, at } = this.form, all = new Int32Array(this.width * this.height).fill(-1);
    for (let from = 0; from < sources; from++) {
      for (let to = 0; to < targets; to++) {
        const weights = at(from, to);
        if (weights === null) continue;
        weights.forEach((weight, k) => {
          const x = to * this.stepX + (k % columns) * cell, y = from * this.stepY + Math.floor(k / columns) * cell;
          for (let i = 0; i < cell; i++) all.fill(weight, (y + i) * this.width + x, (y + i) * this.width + x + cell);
        });
      }
    }
    return all;
  }

  pick(from, to, tell = true) {
    const { sources, targets, rows, columns, at } = this.form;
    from = Math.max(0, Math.min(sources - 1, from || 0));
    to = Math.max(0, Math.min(targets - 1, to || 0));
    byId("from-map").value = from;
    byId("to-map").value = to;
    this.pair = [from, to];
    if (tell && this.panel) this.panel.mark([[to * this.stepX - 1, from * this.stepY - 1, this.stepX, this.stepY, "mark-unit"]]);
    this.describe();
    if (tell) this.onPair(this.connection, from, to, at(from, to) !== null, rows * columns);
  }

  describe() {
    const [from, to] = this.pair, { source_label: source, target_label: target, structure } = this.connection;
    const weights = this.form.at(from, to), thing = structure.kind === "windows" ? "map" : "unit";
    const parts = [weights === null
      ? `${source} ${thing} ${from} does not feed ${target} ${thing} ${to}.`
      : `${source} ${thing} ${from} feeds ${target} ${thing} ${to} by ${weights.length === 1 ? "one weight" : `a kernel of ${this.form.rows} by ${this.form.columns}`}${this.valueText(weights)}.`];
    if (structure.kind === "windows" && structure.maps.length > 1) {
      parts.push(`Maps of ${source} that feed map ${to} of ${target}: ${ranges(feeding(structure, to))}.`,
        `Maps of ${target} that map ${from} of ${source} feeds: ${ranges(fedBy(structure, from))}.`);
    }
    setText("kernel-words", parts.join(" "));
  }

  valueText(weights) {
    if (!this.last) return "";
    const values = [...weights].filter((one) => one >= 0).map((one) => this.last[one]);
    return values.length === 1 ? `: ${short(values[0])}` : `, ${short(Math.min(...values))} to ${short(Math.max(...values))}`;
  }

  // Paint the weights of the connection, times the square root of their fan-in as in SN's network window.
  paint(values) {
    this.last = values;
    if (!this.panel || !isVisible(this.panel.box)) return;
    const scaled = this.scaled?.length === values.length ? this.scaled : (this.scaled = new Float32Array(values.length));
    const fanIn = this.connection.fan_in;
    for (let i = 0, k = 0, left = fanIn[0][1]; i < values.length; i++) {
      if (left === 0) left = fanIn[++k][1];
      scaled[i] = values[i] * Math.sqrt(fanIn[k][0]);
      left--;
    }
    if (this.reach === null || (this.painted = (this.painted ?? 0) + 1) % 15 === 0) this.reach = reachOf(scaled);
    this.panel.paint(scaled, { reach: this.reach });
    if (this.painted % 15 === 1) this.describe();
  }
}

// The connection to show first: windows with a partial table, else the first windows, else the first connection.
function mostTelling(list) {
  const windows = list.filter(({ structure }) => structure.kind === "windows" && structure.sharing !== "pair");
  return windows.find((one) => one.structure.maps.some((row) => row.includes("-"))) ?? windows[0] ?? list[0];
}

// Numbers as ranges: 0 to 3, 8 to 11.
export function ranges(numbers) {
  const parts = [];
  for (let i = 0; i < numbers.length; i++) {
    let end = i;
    while (numbers[end + 1] === numbers[end] + 1) end++;
    parts.push(end - i > 1 ? `${numbers[i]} to ${numbers[end]}` : numbers.slice(i, end + 1).join(", "));
    i = end;
  }
  return parts.join(", ") || "none";
}
