// A canvas whose pixels belong to units or weights. `owners` has for each pixel the number of its unit, -1 for a gap.

import { byId, svgElement } from "./elements.js";

let diverging = new Uint32Array(511), grays = new Uint32Array(256);

// Read the colours of the style sheet, which differ in light and dark. Colours are blue, neutral and orange: they are
// told apart with every common kind of colour blindness.
export function readColours() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim().match(/[0-9a-f]{2}/gi).map((pair) => parseInt(pair, 16));
  diverging = ramp([colour("--low2"), colour("--low"), colour("--zero"), colour("--high"), colour("--high2")], 511);
  grays = ramp([[255, 255, 255], [0, 0, 0]], 256);
}

function ramp(stops, count) {
  const made = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const place = (i / (count - 1)) * (stops.length - 1), k = Math.min(Math.floor(place), stops.length - 2);
    const mixed = [0, 1, 2].map((c) => Math.round(stops[k][c] + (stops[k + 1][c] - stops[k][c]) * (place - k)));
    made[i] = (255 << 24) | (mixed[2] << 16) | (mixed[1] << 8) | mixed[0];
  }
  return made;
}

const divergingAt = (value, reach) => diverging[Math.round(255 + 255 * Math.max(-1, Math.min(1, value / reach || 0)))];

export class Panel {
  constructor(width, height, owners, label) {
    this.width = width;
    this.height = height;
    this.owners = owners;
    this.box = document.createElement("div");
    this.box.className = "panel";
    this.canvas = document.createElement("canvas");
    this.canvas.width = width;
    this.canvas.height = height;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", label);
    this.marks = svgElement("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    this.box.append(this.canvas, this.marks);
    this.context = this.canvas.getContext("2d");
    this.image = this.context.createImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.colours = new Uint32Array(0);
  }

  // Paint values by unit: in grays where `low` is given (low white, high black), else around 0 up to `reach`.
  paint(values, { reach = 1, low = null, high = 1 } = {}) {
    if (this.colours.length !== values.length) this.colours = new Uint32Array(values.length);
    const { colours, pixels, owners } = this;
    for (let i = 0; i < values.length; i++) {
      colours[i] = low === null
        ? divergingAt(values[i], reach)
        : grays[Math.round(255 * Math.max(0, Math.min(1, (values[i] - low) / (high - low) || 0)))];
    }
    for (let i = 0; i < pixels.length; i++) pixels[i] = owners[i] < 0 ? 0 : colours[owners[i]];
    this.context.putImageData(this.image, 0, 0);
  }

  // The unit at the place of a mouse event, or -1.
  unitAt(event) {
    const area = this.canvas.getBoundingClientRect();
    const x = Math.floor(((event.clientX - area.left) * this.width) / area.width);
    const y = Math.floor(((event.clientY - area.top) * this.height) / area.height);
    return x < 0 || y < 0 || x >= this.width || y >= this.height ? -1 : this.owners[y * this.width + x];
  }

  // Mark rectangles: [x, y, width, height, class] each.
  mark(rectangles) {
    this.marks.replaceChildren(...rectangles.map(([x, y, width, height, kind]) =>
      svgElement("rect", { x, y, width, height, class: kind, "vector-effect": "non-scaling-stroke" })));
  }
}

// A layout of tiles: `count` tiles of rows x columns cells, `across` in a line. Cells are `cell` pixels.
export class TileLayout {
  constructor(count, rows, columns, across, cell, gap, inner = 0) {
    Object.assign(this, { count, rows, columns, across, cell, gap, inner });
    this.stepX = columns * (cell + inner) - inner + gap;
    this.stepY = rows * (cell + inner) - inner + gap;
    this.width = Math.min(count, across) * this.stepX - gap;
    this.height = Math.ceil(count / across) * this.stepY - gap;
  }

  owners(unitOf = (tile, cell) => tile * this.rows * this.columns + cell) {
    const all = new Int32Array(this.width * this.height).fill(-1);
    for (let tile = 0; tile < this.count; tile++) {
      for (let k = 0; k < this.rows * this.columns; k++) {
        const unit = unitOf(tile, k);
        if (unit < 0) continue;
        const [x, y] = this.corner(tile, Math.floor(k / this.columns), k % this.columns);
        for (let i = 0; i < this.cell; i++) all.fill(unit, (y + i) * this.width + x, (y + i) * this.width + x + this.cell);
      }
    }
    return all;
  }

  corner(tile, row = 0, column = 0) {
    const each = this.cell + this.inner;
    return [
      (tile % this.across) * this.stepX + column * each,
      Math.floor(tile / this.across) * this.stepY + row * each,
    ];
  }

  // The rectangle round rows and columns of a tile, one pixel outside.
  around(tile, top, left, bottom, right) {
    const each = this.cell + this.inner, [x, y] = this.corner(tile, top, left);
    return [x - 0.5, y - 0.5, (right - left + 1) * each - this.inner + 1, (bottom - top + 1) * each - this.inner + 1];
  }
}

// The reach of values: the 99th percentile of their sizes, so that few strong ones do not make all others pale.
export function reachOf(values) {
  const sizes = Float32Array.from(values, Math.abs).filter(Number.isFinite).sort();
  return sizes.length ? sizes[Math.floor(0.99 * (sizes.length - 1))] || 1 : 1;
}

export const isVisible = (box) => {
  const area = box.getBoundingClientRect();
  return area.bottom > -50 && area.top < innerHeight + 50 && area.width > 0;
};

export const roomFor = (id) => byId(id).clientWidth;
