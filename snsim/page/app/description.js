// The description: the lines of a layer light up with its picture, and the layer with its lines.

import { byId } from "./elements.js";

export class Description {
  constructor() {
    this.lines = [...document.querySelectorAll(".source [data-of]")];
    for (const line of this.lines) {
      line.addEventListener("pointerenter", () => this.layers(line, true));
      line.addEventListener("pointerleave", () => this.layers(line, false));
    }
  }

  // Light up the lines of a layer: those that declare it and its connections.
  show(layer, on) {
    for (const line of this.lines) if (JSON.parse(line.dataset.of).includes(layer)) line.classList.toggle("lit", on);
  }

  layers(line, on) {
    line.classList.toggle("lit", on);
    for (const name of JSON.parse(line.dataset.of)) {
      for (const box of byId("layers").children) if (box.dataset.layer === name) box.classList.toggle("lit", on);
    }
  }

  // Scroll the first line of a layer into the view of its own box, not of the page.
  find(layer) {
    const line = this.lines.find((one) => JSON.parse(one.dataset.of).includes(layer));
    const box = line?.closest("pre");
    if (box) box.scrollTop = line.offsetTop - box.clientHeight / 3;
  }
}
