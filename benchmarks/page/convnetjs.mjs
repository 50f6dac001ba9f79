// The net of 1989 without its connection table in ConvNetJS: node convnetjs.mjs FOLDER
import { createRequire } from "node:module";
import path from "node:path";
import { microseconds } from "./timing.mjs";

const { Net, Trainer, Vol } = createRequire(path.join(process.argv[2], "/"))("convnetjs");
const net = new Net();
net.makeLayers([
  { type: "input", out_sx: 16, out_sy: 16, out_depth: 1 },
  { type: "conv", sx: 5, filters: 12, stride: 2, pad: 2, activation: "tanh" },
  { type: "conv", sx: 5, filters: 12, stride: 2, pad: 2, activation: "tanh" },
  { type: "fc", num_neurons: 30, activation: "tanh" },
  { type: "fc", num_neurons: 10, activation: "tanh" },
  { type: "regression", num_neurons: 10 },
]);
const trainer = new Trainer(net, { learning_rate: 0.01, momentum: 0, batch_size: 1, l2_decay: 0 });
const pictures = Array.from({ length: 50 }, () => {
  const picture = new Vol(16, 16, 1, 0);
  for (let i = 0; i < 256; i++) picture.w[i] = 2 * Math.random() - 1;
  return picture;
});
const targets = Array.from({ length: 50 }, (_, k) => Array.from({ length: 10 }, (_, i) => (i === k % 10 ? 1 : -1)));
const learn = (count) => {
  for (let k = 0; k < count; k++) trainer.train(pictures[k % 50], targets[k % 50]);
};
learn(100);
console.log(JSON.stringify(await microseconds(learn, 100)));
