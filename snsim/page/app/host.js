// What the page is told where it stands in a frame of `snsim play`: to learn, and how a native training goes.

import { fittingWeights, fromSafetensors } from "./files.js";

// `opened` is a promise of the page being ready. Messages:
//   {snsim: "learn"} and {snsim: "pause"}
//   {snsim: "passes", lines}   the lines of passes.jsonl so far: {pass, train, test, left} each
//   {snsim: "weights", file}   a safetensors file with weights of the net, an ArrayBuffer
export function listenToHost(page, opened) {
  if (globalThis.parent === globalThis) return;
  let before = opened;
  const tell = async (message) => {
    if (message.snsim === "learn") await page.run();
    if (message.snsim === "pause") await page.pause();
    if (message.snsim === "passes") {
      page.showPasses(message.lines.map(({ pass: number, train, test, left = null }) => ({ number, train, test, left })));
    }
    if (message.snsim === "weights") {
      const weights = fittingWeights(fromSafetensors(message.file), page.view.parameters);
      await page.showWeights(weights);
    }
  };
  addEventListener("message", ({ source, data }) => {
    if (source !== globalThis.parent || typeof data?.snsim !== "string") return;
    before = before.then(() => tell(data)).catch((error) => page.fault(error.message));
  });
}
