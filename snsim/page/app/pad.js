// The drawing pad, for mouse, pen and finger, and pictures that are dropped on it.

import { byId, element, setText } from "./elements.js";
import { framed, grayOf, preparePicture } from "./picture.js";

const SIDE = 280, PEN = 24, LARGEST = 2048; // pixels; larger pictures are scaled down first

export class Pad {
  constructor(view, onInput) {
    Object.assign(this, { view, onInput, strokes: 0, down: false });
    const form = view.picture;
    byId("pad-box").hidden = form === null;
    byId("sliders").hidden = view.sliders === 0;
    if (form !== null) this.openPad();
    if (view.sliders) this.openSliders();
  }

  openPad() {
    const pad = byId("pad");
    this.canvas = pad;
    const [rows, columns] = this.view.picture.shape;
    pad.width = columns >= rows ? SIDE : Math.max(40, Math.round((SIDE * columns) / rows));
    pad.height = rows >= columns ? SIDE : Math.max(40, Math.round((SIDE * rows) / columns));
    this.pen = pad.getContext("2d", { willReadFrequently: true });
    this.clear(false);
    pad.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      pad.setPointerCapture(event.pointerId);
      this.down = true;
      this.at = this.place(event);
      this.line(this.at);
    });
    pad.addEventListener("pointermove", (event) => {
      if (!this.down) return;
      for (const each of event.getCoalescedEvents?.() ?? [event]) this.line(this.place(each));
      this.line(this.place(event));
    });
    for (const end of ["pointerup", "pointercancel"]) pad.addEventListener(end, () => (this.down = false));
    byId("clear").addEventListener("click", () => this.clear());
    byId("picture-file").addEventListener("change", (event) => this.read(event.target.files[0]));
    byId("pick-file").addEventListener("click", () => byId("picture-file").click());
    const card = byId("input-card");
    card.addEventListener("dragover", (event) => {
      event.preventDefault();
      card.classList.add("dropping");
    });
    card.addEventListener("dragleave", () => card.classList.remove("dropping"));
    card.addEventListener("drop", (event) => {
      event.preventDefault();
      card.classList.remove("dropping");
      this.read(event.dataTransfer.files[0]);
    });
  }

  openSliders() {
    const names = this.view.input_names;
    this.values = new Float32Array(this.view.sliders).fill(0);
    const [low, high] = this.view.range;
    this.sliders = [...this.values.keys()].map((k) => {
      const value = element("output", {}, this.inUnits(k));
      const slider = element("input", { type: "range", min: low, max: high, step: (high - low) / 100 || 1, value: 0, oninput: (event) => {
        this.values[k] = Number(event.target.value);
        setText(value, this.inUnits(k));
        this.onInput(this.values.slice(), "your own input");
      } });
      return { slider, value, label: element("label", { class: "slider" }, element("span", {}, names[k] ?? `input ${k}`), slider, value) };
    });
    byId("sliders").replaceChildren(...this.sliders.map(({ label }) => label));
  }

  // Input k in the units of the user's table: the scaling of snsim/data/record.py, backward.
  inUnits(k) {
    const scaling = this.view.input_scaling;
    if (scaling === null) return this.values[k].toFixed(2);
    const one = (list) => (list.length === 1 ? list[0] : list[k]);
    const divisor = one(scaling.divisor), digits = Math.min(20, Math.max(0, 3 - Math.floor(Math.log10(divisor)))); // a thousandth of it
    return String(Number(((this.values[k] - scaling.shift) * divisor + one(scaling.offset)).toFixed(digits)));
  }

  // Set the sliders to the pattern that the net reads, so that a hand starts from there.
  follow(values) {
    if (!this.sliders) return;
    this.values.set(values);
    this.sliders.forEach(({ slider, value }, k) => {
      slider.value = values[k];
      setText(value, this.inUnits(k));
    });
  }

  place(event) {
    const area = this.canvas.getBoundingClientRect();
    return [((event.clientX - area.left) * this.canvas.width) / area.width, ((event.clientY - area.top) * this.canvas.height) / area.height];
  }

  line([x, y]) {
    if (!this.strokes++) setText("pad-hint", "");
    this.pen.beginPath();
    this.pen.moveTo(...this.at);
    this.pen.lineTo(x, y);
    this.pen.stroke();
    this.at = [x, y];
    this.soon();
  }

  soon() { // once a frame, however many events come
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      this.take("your drawing");
    });
  }

  clear(tell = true) {
    const { width, height } = this.canvas;
    this.pen.fillStyle = "#ffffff";
    this.pen.fillRect(0, 0, width, height);
    Object.assign(this.pen, { strokeStyle: "#000000", lineWidth: PEN, lineCap: "round", lineJoin: "round" });
    this.strokes = 0;
    setText("pad-hint", "draw here");
    setText("pad-words", "");
    if (tell) this.onInput(null);
  }

  // Give the net what is on the pad.
  take(words) {
    const { width, height } = this.canvas;
    this.give(this.pen.getImageData(0, 0, width, height).data, height, width, words);
  }

  give(rgba, rows, columns, words) {
    const form = this.view.picture;
    const prepared = preparePicture(grayOf(rgba, rows * columns), rows, columns, form);
    if (prepared === null) {
      setText("pad-words", "There is no ink in this picture.");
      return;
    }
    const box = form.whole ? "whole picture" : `${prepared.ink} ink, box ${prepared.box[1]}×${prepared.box[0]}`;
    setText("pad-words", `${columns}×${rows}, ${box} → ${form.shape[1]}×${form.shape[0]}`);
    this.onInput(framed(prepared.cells, form.shape, form.frame), words);
  }

  async read(file) {
    if (!file) return;
    try {
      const picture = await createImageBitmap(file);
      const scale = Math.min(1, LARGEST / Math.max(picture.width, picture.height));
      const [columns, rows] = [picture.width, picture.height].map((one) => Math.max(1, Math.round(one * scale)));
      const canvas = element("canvas", { width: columns, height: rows }), context = canvas.getContext("2d");
      context.drawImage(picture, 0, 0, columns, rows);
      this.clear(false);
      setText("pad-hint", "");
      const fit = Math.min(this.canvas.width / columns, this.canvas.height / rows);
      this.pen.drawImage(picture, (this.canvas.width - columns * fit) / 2, (this.canvas.height - rows * fit) / 2, columns * fit, rows * fit);
      this.give(context.getImageData(0, 0, columns, rows).data, rows, columns, file.name);
    } catch {
      setText("pad-words", "This file is not a picture that the browser reads.");
    }
  }
}
