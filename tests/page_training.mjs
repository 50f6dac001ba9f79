// Run a training of a description in a folder, as a page does, and print what Python compares: one JSON a line.
//   node page_training.mjs ENGINE FOLDER [CALL ...]
// ENGINE is the folder of training.js. A CALL is JSON: ["pass"], ["step", n], ["restart", seed], ["set", values] ...

import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [engine, folder, ...calls] = process.argv.slice(2);
const { openTraining } = await import(pathToFileURL(path.join(engine, "training.js")));
const { values, blobs } = JSON.parse(fs.readFileSync(path.join(folder, "description.json"), "utf8"));
const arrays = {};
for (const [name, file] of Object.entries(blobs)) {
  const content = fs.readFileSync(path.join(folder, file));
  arrays[name] = content.buffer.slice(content.byteOffset, content.byteOffset + content.length);
}
const training = await openTraining(values, arrays);
for (const call of calls) {
  const [name, ...given] = JSON.parse(call);
  const result = typeof training[name] === "function" ? training[name](...given) : training[name];
  console.log(JSON.stringify(result ?? null, (_, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value)));
}
