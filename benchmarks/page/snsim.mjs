// Microseconds of CPU a presentation of snsim's page: node snsim.mjs ENGINE FOLDER
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { microseconds } from "./timing.mjs";

const [engine, folder] = process.argv.slice(2);
const { openTraining } = await import(pathToFileURL(path.join(engine, "training.js")));
const { values, blobs } = JSON.parse(fs.readFileSync(path.join(folder, "description.json"), "utf8"));
const arrays = {};
for (const [name, file] of Object.entries(blobs)) {
  const content = fs.readFileSync(path.join(folder, file));
  arrays[name] = content.buffer.slice(content.byteOffset, content.byteOffset + content.length);
}
const training = await openTraining(values, arrays);
const learn = (count) => {
  for (let left = count; left > 0;) {
    left -= training.step(left);
    if (training.passIsOver) {
      training.number = 0; // the same pass again, without scores
      training.running = null;
    }
  }
};
console.log(JSON.stringify(await microseconds(learn, 1000)));
