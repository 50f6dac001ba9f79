// The net of 1989 without its connection table in TensorFlow.js on its CPU backend: node tfjs.mjs FOLDER
// Its wasm backend has no gradient of a convolution ("Kernel 'Conv2DBackpropFilter' not registered") and cannot train.
import { createRequire } from "node:module";
import path from "node:path";
import { microseconds } from "./timing.mjs";

const tf = createRequire(path.join(process.argv[2], "/"))("@tensorflow/tfjs");
await tf.setBackend("cpu");
const weight = (shape, fan) => tf.variable(tf.randomUniform(shape, -1 / Math.sqrt(fan), 1 / Math.sqrt(fan)));
const weights = {
  h1: weight([5, 5, 1, 12], 26), b1: weight([8, 8, 12], 26), h2: weight([5, 5, 12, 12], 301), b2: weight([4, 4, 12], 301),
  h3: weight([192, 30], 193), b3: weight([30], 193), output: weight([30, 10], 31), b4: weight([10], 31),
};
const forward = (x) => {
  const one = tf.tanh(tf.add(tf.conv2d(x, weights.h1, 2, "same"), weights.b1));
  const two = tf.tanh(tf.add(tf.conv2d(one, weights.h2, 2, "same"), weights.b2));
  const three = tf.tanh(tf.add(tf.matMul(two.reshape([1, 192]), weights.h3), weights.b3));
  return tf.tanh(tf.add(tf.matMul(three, weights.output), weights.b4));
};
const rule = tf.train.sgd(0.01);
const pictures = Array.from({ length: 50 }, () => tf.randomUniform([1, 16, 16, 1], -1, 1));
const targets = Array.from({ length: 50 }, (_, k) => tf.oneHot([k % 10], 10).mul(2).sub(1));
const learn = (count) => {
  for (let k = 0; k < count; k++) rule.minimize(() => tf.losses.meanSquaredError(targets[k % 50], forward(pictures[k % 50])));
};
learn(20);
console.log(JSON.stringify(await microseconds(learn, 50)));
