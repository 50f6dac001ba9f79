// The worker in which the net learns. It learns a few milliseconds at a time, so that it answers requests meanwhile.

import { openTraining } from "../engine/training.js";

const SLICE = 12; // milliseconds of learning between two looks at the requests

let training = null;
const goal = { on: false, perSecond: Infinity, untilPass: null };
let owed = 0, last = 0;

const channel = new MessageChannel(); // a turn without the delay of a timer
channel.port1.onmessage = () => turn();
const soon = () => channel.port2.postMessage(0);

function news(content, transfer = []) {
  self.postMessage(content, transfer);
}

function finishPass() {
  const result = training.endPass();
  news({ news: "pass", result, outputs: result.outputs }, [result.outputs.buffer]);
  if (goal.untilPass !== null && result.number >= goal.untilPass) stop("reached");
  else if (result.number >= training.passes) stop("done");
}

function stop(why) {
  goal.on = false;
  goal.untilPass = null;
  news({ news: "stopped", why });
}

function advance(most) {
  const done = training.step(most);
  if (training.passIsOver) finishPass();
  return done;
}

function turn() {
  if (!goal.on) return;
  try {
    if (goal.perSecond === Infinity) {
      const end = performance.now() + SLICE;
      while (goal.on && performance.now() < end) advance(training.chunk);
      soon();
    } else {
      const now = performance.now();
      owed = Math.min(owed + ((now - last) * goal.perSecond) / 1000, goal.perSecond);
      last = now;
      const end = now + SLICE;
      while (goal.on && owed >= 1 && performance.now() < end) owed -= advance(Math.max(1, Math.floor(Math.min(owed, training.chunk))));
      setTimeout(turn, Math.max(4, Math.min(100, ((1 - owed) * 1000) / goal.perSecond)));
    }
  } catch (error) {
    goal.on = false;
    news({ news: "fault", fault: error.message });
  }
}

const REQUESTS = {
  async open({ description, arrays }) {
    training = await openTraining(description, arrays);
    return training.opened();
  },
  run({ perSecond, untilPass = null }) {
    goal.perSecond = perSecond ?? Infinity;
    goal.untilPass = untilPass;
    if (goal.on) return;
    goal.on = true;
    owed = 1;
    last = performance.now();
    soon();
  },
  pause() {
    if (goal.on) stop("paused");
  },
  speed({ perSecond }) {
    goal.perSecond = perSecond ?? Infinity;
    last = performance.now();
    owed = 0;
    if (goal.on) soon();
  },
  step() {
    advance(1);
  },
  restart({ seed }) {
    goal.on = false;
    training.restart(seed);
  },
  set(values) {
    training.set(values);
  },
  look(what) {
    if (what.set !== "learning") return training.look(what);
    const last = Math.max(0, training.at - 1), index = training.running?.order?.[last] ?? last; // presented last
    return { ...training.look({ ...what, set: "train", index }), index };
  },
  score() {
    return training.score();
  },
  weights() {
    return training.weights();
  },
  load({ weights }) {
    training.load(weights);
  },
};

self.onmessage = async ({ data: { number, request, content } }) => {
  try {
    const value = await REQUESTS[request](content);
    news({ answer: number, value });
  } catch (error) {
    news({ answer: number, fault: error.message });
  }
};
