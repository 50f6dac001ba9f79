// The picture of the net: the states of every layer for one pattern. A click on a unit selects it.

import { element, setText, short } from "./elements.js";
import { Panel, TileLayout } from "./panel.js";
import { receptiveField } from "./wiring.js";

const NARROWEST = 6; // pixels of a map's gap

export class Network {
  constructor(root, view, tables, onSelect, onPoint) {
    Object.assign(this, { root, view, tables, onSelect, onPoint });
    this.selected = null;
    this.reach = {};
    this.build();
  }

  build() {
    const room = Math.max(200, this.root.clientWidth - (this.root.clientWidth > 560 ? 104 : 4));
    this.room = this.root.clientWidth;
    this.rows = this.view.layers.map((layer, place) => this.buildLayer(layer, place, room));
    this.root.replaceChildren(...this.rows.map((row) => row.box));
    if (this.selected) this.showSelection();
  }

  buildLayer(layer, place, room) {
    const layout = layoutOf(layer, room, this.view.layers.length > 9);
    const what = layer.maps ? `${layer.maps[0]} maps of ${layer.maps[1]} by ${layer.maps[2]}` : `${layer.units} units`;
    const panel = new Panel(layout.width, layout.height, layout.owners(), `${layer.label}: the states of ${what}`);
    panel.canvas.classList.add("pickable");
    panel.canvas.tabIndex = 0;
    panel.canvas.setAttribute("role", "application");
    panel.canvas.setAttribute("aria-roledescription", "layer of units; arrow keys choose a unit");
    panel.canvas.addEventListener("click", (event) => this.choose(layer.name, panel.unitAt(event)));
    panel.canvas.addEventListener("keydown", (event) => this.move(event, layer, layout));
    const box = element("div", { class: "layer", "data-layer": layer.name },
      element("div", { class: "layer-name" },
        element("b", {}, layer.label),
        element("span", { class: "quiet" }, layer.shape.join(" × ")),
        element("span", { class: "quiet small" }, layer.input ? "input" : layer.nlf)),
      panel.box);
    box.addEventListener("pointerenter", () => this.onPoint(layer.name, true));
    box.addEventListener("pointerleave", () => this.onPoint(layer.name, false));
    return { layer, layout, panel, box };
  }

  choose(name, unit) {
    if (unit < 0) return;
    const same = this.selected?.layer === name && this.selected.unit === unit;
    this.selected = same ? null : { layer: name, unit };
    this.showSelection();
    this.onSelect(this.selected);
  }

  move(event, layer, layout) {
    const columns = layer.maps ? layer.maps[2] : layout.across;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns };
    const page = layer.maps ? layer.maps[1] * layer.maps[2] : 1;
    const step = steps[event.key] ?? { PageDown: page, PageUp: -page }[event.key];
    if (event.key === "Escape" && this.selected) this.choose(this.selected.layer, this.selected.unit);
    if (step === undefined) return;
    event.preventDefault();
    const now = this.selected?.layer === layer.name ? this.selected.unit + step : 0;
    if (now >= 0 && now < layer.units && !(this.selected?.layer === layer.name && this.selected.unit === now)) {
      this.choose(layer.name, now);
    }
  }

  showSelection() {
    const chosen = this.selected;
    const { fields } = chosen ? receptiveField(this.view, chosen.layer, chosen.unit, this.tables) : { fields: {} };
    const direct = new Set(this.view.connections.filter((one) => one.target === chosen?.layer).map((one) => one.source));
    for (const { layer, layout, panel } of this.rows) {
      const units = fields[layer.name];
      const kind = layer.name === chosen?.layer ? "mark-unit" : direct.has(layer.name) ? "mark-field" : "mark-far";
      panel.mark(units ? rectangles(layer, layout, units).map((one) => [...one, kind]) : []);
    }
  }

  // Paint states by name of the layer.
  paint(states) {
    for (const { layer, panel } of this.rows) {
      const values = states[layer.name];
      if (layer.input) {
        panel.paint(values, layer.maps ? { low: this.view.range[0], high: this.view.range[1] } : { reach: this.inputReach() });
        continue;
      }
      let most = this.reach[layer.name] ?? 0.5;
      for (const value of values) if (Math.abs(value) > most && Number.isFinite(value)) most = Math.abs(value);
      this.reach[layer.name] = most;
      panel.paint(values, { reach: most });
    }
  }

  inputReach() {
    return Math.max(Math.abs(this.view.range[0]), Math.abs(this.view.range[1])) || 1;
  }
}

// Maps stand in lines, units of a layer without maps in one line or more.
function layoutOf(layer, room, deep) {
  const size = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16; // larger on large screens
  if (layer.maps) {
    const [maps, rows, columns] = layer.maps;
    const most = (maps === 1 ? 176 : deep ? 36 : 88) * size; // pixels of a map's side
    const wanted = Math.min(maps, room < 480 ? 6 : deep ? 24 : 12);
    let cell = Math.max(2, Math.min(Math.round(16 * size), Math.floor(most / Math.max(rows, columns))));
    const gap = Math.max(NARROWEST, Math.round(cell / 2));
    const fits = (side) => Math.floor((room + gap) / (columns * side + gap));
    while (cell > 2 && fits(cell) < wanted) cell--;
    const lines = Math.ceil(maps / Math.max(1, fits(cell))); // lines of about equal length
    const across = Math.ceil(maps / lines);
    return new TileLayout(maps, rows, columns, across, cell, gap);
  }
  const side = layer.units > 200 ? 6 : layer.units > 60 ? 10 : layer.units > 20 ? 14 : layer.units > 4 ? 22 : 34;
  const cell = Math.round(side * size), gap = cell > 8 ? 3 : 1;
  return new TileLayout(layer.units, 1, 1, Math.max(1, Math.min(layer.units, Math.floor((room + gap) / (cell + gap)))), cell, gap);
}

// One rectangle for each map that holds some of the units.
function rectangles(layer, layout, units) {
  const [rows, columns] = layer.maps ? layer.maps.slice(1) : [1, 1], boxes = new Map();
  for (const unit of units) {
    const map = Math.floor(unit / (rows * columns)), place = unit % (rows * columns);
    const r = Math.floor(place / columns), c = place % columns, box = boxes.get(map);
    if (box === undefined) boxes.set(map, [r, c, r, c]);
    else boxes.set(map, [Math.min(box[0], r), Math.min(box[1], c), Math.max(box[2], r), Math.max(box[3], c)]);
  }
  return [...boxes].map(([map, box]) => layout.around(map, ...box));
}

// Show the outputs as bars, the largest first in bold: one row an output.
export class Answer {
  constructor(view) {
    this.view = view;
    this.units = view.layers.at(-1).units;
    this.shown = Math.min(this.units, 12);
    this.rows = Array.from({ length: this.shown }, () => {
      const name = element("th", { scope: "row" }), bar = element("div", { class: "bar" }), value = element("td", { class: "number" });
      return { name, bar, value, row: element("tr", {}, name, element("td", { class: "track" }, bar), value) };
    });
    document.getElementById("outputs").replaceChildren(...this.rows.map((one) => one.row));
  }

  paint(outputs) {
    const numbers = [...outputs.keys()];
    const order = this.units > this.shown ? numbers.sort((a, b) => outputs[b] - outputs[a]).slice(0, this.shown) : numbers;
    const best = outputs.indexOf(Math.max(...outputs));
    const top = Math.max(1, ...outputs.map(Math.abs));
    this.rows.forEach(({ name, bar, value, row }, place) => {
      const unit = order[place], x = outputs[unit];
      setText(name, this.view.classes[unit] ?? String(unit));
      setText(value, (x < 0 ? "−" : "") + Math.abs(x).toFixed(2));
      row.classList.toggle("best", this.units > 1 && unit === best);
      bar.style.left = `${50 + Math.min(0, (50 * x) / top)}%`;
      bar.style.width = `${(50 * Math.abs(x)) / top || 0}%`;
      bar.classList.toggle("low", x < 0);
    });
    return best;
  }
}

export const outputText = (view, outputs) =>
  view.layers.at(-1).units === 1 ? short(outputs[0]) : view.classes[outputs.indexOf(Math.max(...outputs))] ?? "";
