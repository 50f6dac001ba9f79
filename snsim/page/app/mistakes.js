// The patterns that are wrong, as pictures that open in the net, and the confusion of classes.

import { byId, element, setText, whole } from "./elements.js";
import { Panel, TileLayout } from "./panel.js";
import { confusionOf, largest, rightOf } from "./scores.js";

const MOST = 60;

export class Mistakes {
  constructor(view, data, onChoose) {
    Object.assign(this, { view, data, onChoose, cell: null });
    this.split = view.data.test ? "test" : "train";
    this.units = view.layers.at(-1).units;
    byId("confusion-card").hidden = !view.have_classes || this.units > 40;
  }

  update(outputs) {
    const { inputs, targets } = this.data[this.split];
    this.outputs = outputs;
    this.right = rightOf(outputs, targets, this.units, this.view.criterion);
    this.wrong = this.right.flatMap((right, k) => (right ? [] : [k]));
    const label = (k) => largest(targets, k * this.units, this.units), answer = (k) => largest(outputs, k * this.units, this.units);
    const shown = this.cell === null ? this.wrong : this.wrong.filter((k) => label(k) === this.cell[0] && answer(k) === this.cell[1]);
    const name = (unit) => this.view.classes[unit] ?? String(unit);
    const filter = this.cell === null ? "" : `, ${name(this.cell[0])} read as ${name(this.cell[1])}: ${whole(shown.length)}`;
    setText("misses-text", `${whole(this.wrong.length)} of ${whole(this.right.length)} ${this.split} patterns are wrong${filter}${shown.length > MOST ? `; the first ${MOST} are shown` : ""}.`);
    byId("misses-all").hidden = this.cell === null;
    byId("misses").replaceChildren(...shown.slice(0, MOST).map((k) => {
      const words = this.view.have_classes ? `${name(label(k))} → ${name(answer(k))}` : `pattern ${k}`;
      const button = element("button", { type: "button", class: "miss", title: `${this.split} pattern ${k}: show it in the net`, onclick: () => this.onChoose(this.split, k) });
      button.append(...thumbnails(this.view, inputs, k));
      button.append(element("span", {}, words), element("span", { class: "hidden" }, ` ${this.split} pattern ${k}: show it in the net`));
      return button;
    }));
    if (this.view.have_classes && this.units <= 40) this.confusion(confusionOf(outputs, targets, this.units), name);
  }

  confusion(counts, name) {
    const most = Math.max(1, ...counts.flatMap((row, i) => row.filter((_, j) => j !== i)));
    const head = element("tr", {}, element("td", {}), ...counts.map((_, j) => element("th", { scope: "col" }, name(j))));
    const rows = counts.map((row, i) => element("tr", {}, element("th", { scope: "row" }, name(i)), ...row.map((count, j) => {
      const strength = i === j ? 0 : Math.ceil((4 * count) / most);
      if (i === j || !count) return element("td", { class: i === j ? "right" : "" }, count ? whole(count) : "·");
      const chosen = this.cell?.[0] === i && this.cell?.[1] === j;
      return element("td", { class: `wrong${strength}` }, element("button", {
        type: "button", "aria-pressed": String(chosen), title: `${count} times ${name(i)} read as ${name(j)}: show them`,
        onclick: () => this.filter(chosen ? null : [i, j]),
      }, whole(count), element("span", { class: "hidden" }, ` times ${name(i)} read as ${name(j)}`)));
    })));
    byId("confusion").replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows));
  }

  filter(cell) {
    this.cell = cell;
    if (this.outputs) this.update(this.outputs);
  }
}

// The pictures of pattern k, one for each input layer that has rows and columns.
function thumbnails(view, inputs, k) {
  const layers = view.layers.filter((layer) => layer.input), width = layers.reduce((sum, layer) => sum + layer.units, 0), made = [];
  let start = k * width;
  for (const layer of layers) {
    if (layer.maps) made.push(thumbnail(view, layer, inputs.subarray(start, start + layer.units)));
    start += layer.units;
  }
  return made;
}

function thumbnail(view, layer, values) {
  const [maps, rows, columns] = layer.maps, cell = Math.max(1, Math.floor(48 / Math.max(rows, columns)));
  const layout = new TileLayout(Math.min(maps, 3), rows, columns, 3, cell, 2);
  const panel = new Panel(layout.width, layout.height, layout.owners(), "");
  panel.canvas.setAttribute("aria-hidden", "true");
  panel.paint(values, { low: view.range[0], high: view.range[1] });
  return panel.box;
}
