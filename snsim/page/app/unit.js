// One unit: its state, error and rate, and the lines that enter it, with their weights and what they carry now.

import { byId, element, setText, short, whole } from "./elements.js";
import { isVisible, Panel, TileLayout } from "./panel.js";
import { added, BORDER, incoming, weightsOf } from "./wiring.js";

const MOST_LINES = 4096, MOST_MAPS = 48;

export class Unit {
  constructor(view, tables) {
    Object.assign(this, { view, tables, chosen: null, entering: [] });
  }

  // The parameters that learn: those of the lines that enter the unit, and its bias.
  get parameters() {
    return [...this.entering.flatMap(({ connection }) => [connection.fixed === null ? connection.parameter : null, connection.gain].filter((name) => name !== null)), ...(this.layer?.bias_parameter ? [this.layer.bias_parameter] : [])];
  }

  choose(chosen) {
    this.chosen = chosen;
    byId("unit-none").hidden = chosen !== null;
    byId("unit-facts").hidden = byId("unit-find").hidden = chosen === null;
    if (chosen === null) setText("unit-hint", "Click a unit to see what it reads.");
    byId("unit-lines").replaceChildren();
    this.entering = [];
    this.layer = chosen && this.view.layers.find((one) => one.name === chosen.layer);
    if (!chosen) return;
    setText("unit-name", `${this.layer.label}, ${placeText(this.layer, chosen.unit)}`);
    let fanIn = this.layer.bias === "none" ? 0 : 1;
    for (const connection of this.view.connections.filter((one) => one.target === chosen.layer)) {
      const lines = incoming(connection, chosen.unit, this.tables[connection.name] ?? null);
      fanIn += lines.sources.length;
      this.entering.push({ connection, lines, tiles: this.buildLines(connection, lines) });
    }
    setText("unit-fan-in", this.layer.input ? "none: an input" : whole(fanIn) + (this.layer.bias === "none" ? "" : " with the bias"));
  }

  buildLines(connection, lines) {
    const source = this.view.layers.find((one) => one.name === connection.source), s = connection.structure;
    const count = lines.sources.length, border = lines.sources.filter((one) => one === BORDER).length;
    const shared = connection.sharers > 1 ? `shared weights, each used by ${whole(connection.sharers)} lines` : count === 1 ? "a weight of its own" : "weights of its own";
    const text = `${whole(count)} ${count === 1 ? "line" : "lines"} from ${connection.source_label}${connection.delayed ? " one step before" : ""}, ${connection.fixed === null ? shared : connection.fixed === "codes" ? "fixed weights" : `fixed weights of ${short(connection.fixed)}`}` +
      (border ? `; ${whole(border)} from the border, held at ${short(connection.border_value)}` : "");
    const box = element("div", { class: connection.sharers > 1 ? "lines shared" : "lines" }, element("p", {}, text));
    byId("unit-lines").append(box);
    if (count > MOST_LINES || count === 0) return null;
    let [rows, columns] = [1, 1], maps = count;
    if (s.kind === "windows") [rows, columns] = s.window;
    else if (source.maps && s.kind === "dense") [rows, columns] = source.maps.slice(1);
    else if (s.kind === "frames") [rows, columns] = [s.window, s.source[1]];
    maps = Math.min(MOST_MAPS, Math.round(count / (rows * columns)));
    const cell = Math.max(3, Math.min(12, Math.floor(56 / Math.max(rows, columns))));
    const across = Math.max(1, Math.floor(((byId("unit-card").clientWidth - 40) / 3 - 10) / (columns * cell + 4)));
    const layout = new TileLayout(maps, rows, columns, across, cell, 4);
    const make = (label) => new Panel(layout.width, layout.height, layout.owners(), label);
    const weights = make(`weights from ${connection.source_label}`), states = make(`states of ${connection.source_label} that it reads`);
    const products = make(`what each line from ${connection.source_label} adds`);
    const figure = (panel, words) => element("figure", {}, panel.box, element("figcaption", {}, words));
    const sum = element("p");
    box.append(element("div", { class: "triple" }, figure(weights, "weights"), figure(states, "what they read"), figure(products, "what each adds")), sum);
    return { weights, states, products, sum, used: maps * rows * columns };
  }

  paint(look) {
    if (!this.chosen) return;
    const { layer, unit } = this.chosen;
    setText("unit-hint", `${byId("unit-name").textContent}: ${short(look.states[layer][unit])}`);
    if (!isVisible(byId("unit-card"))) return;
    setText("unit-state", short(look.states[layer][unit], 4));
    setText("unit-error", look.errors?.[layer] ? short(look.errors[layer][unit], 4) : look.errors === null && look.drawn ? "none: no target" : "after a step");
    setText("unit-rate", look.rates ? rateText(look.rates, this.parameters) : "after a step");
    const bias = look.weights[this.layer.bias_parameter];
    setText("unit-bias", bias ? short(bias[biasPlace(this.layer, unit)], 4) : "none");
    for (const { connection, lines, tiles } of this.entering) {
      const weight = weightsOf(connection, lines, look.weights), states = (connection.delayed ? look.before : look.states)[connection.source];
      if (!tiles || !weight) continue;
      const weights = Float32Array.from(lines.weights.subarray(0, tiles.used), weight);
      const read = Float32Array.from(lines.sources.subarray(0, tiles.used), (one) => (one < 0 ? connection.border_value : states[one]));
      const products = weights.map((w, k) => added(connection, w, read[k]));
      tiles.products.paint(products, { reach: Math.max(1e-6, ...products.map(Math.abs)) });
      const all = lines.weights.reduce((sum, number, k) => sum + added(connection, weight(number), lines.sources[k] < 0 ? connection.border_value : states[lines.sources[k]]), 0);
      setText(tiles.sum, `Together they add ${short(all)}.`);
      tiles.weights.paint(weights, { reach: Math.max(1e-6, ...weights.map(Math.abs)) });
      tiles.states.paint(read, { reach: Math.max(1e-6, ...read.map(Math.abs)) });
    }
  }
}

function rateText(rates, names) {
  if (!names.length) return "none: fixed weights";
  const known = [...new Set(names.map((name) => rates[name]).filter((rate) => rate !== undefined))];
  return known.map((rate) => short(rate)).join(", ") || "differ by weight";
}

function placeText(layer, unit) {
  if (!layer.maps) return `unit ${unit}`;
  const [maps, rows, columns] = layer.maps, area = rows * columns, place = unit % area;
  const cell = `row ${Math.floor(place / columns)}, column ${place % columns}`;
  return maps > 1 ? `map ${Math.floor(unit / area)}, ${cell}` : cell;
}

function biasPlace(layer, unit) {
  if (layer.bias === "unit") return unit;
  if (layer.bias === "map") return layer.maps && layer.shape.length === 3 ? Math.floor(unit / (layer.maps[1] * layer.maps[2])) : 0;
  return unit % layer.shape.at(-1);
}
