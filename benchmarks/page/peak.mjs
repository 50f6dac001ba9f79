// Seconds of CPU of a loop of multiply-adds: node peak.mjs FILE.wasm TURNS
import fs from "node:fs";

const [file, turns] = process.argv.slice(2);
const memory = new WebAssembly.Memory({ initial: 2 });
new Float32Array(memory.buffer, 1024, 8).fill(0.5);
const { peak } = new WebAssembly.Instance(new WebAssembly.Module(fs.readFileSync(file)), {
  env: { __linear_memory: memory },
}).exports;
let least = Infinity;
for (let round = 0; round < 12; round++) {
  const start = process.cpuUsage();
  peak(1024, BigInt(turns));
  const { user, system } = process.cpuUsage(start);
  least = Math.min(least, (user + system) / 1e6);
}
console.log(JSON.stringify(least));
