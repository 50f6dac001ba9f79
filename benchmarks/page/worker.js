// A worker in a browser that measures the engine: it follows the joined modules of snsim/page/engine in one script.
// Milliseconds a presentation by the clock, the least of many rounds, because a browser tells no CPU time.
self.onmessage = async ({ data: { values, blobs, count, rounds } }) => {
  const arrays = Object.fromEntries(
    Object.entries(blobs).map(([name, text]) => [name, Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer]));
  const training = await openTraining(values, arrays);
  let least = Infinity;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    for (let left = count; left > 0;) {
      left -= training.step(left);
      if (training.passIsOver) {
        training.number = 0; // the same pass again, without scores
        training.running = null;
      }
    }
    least = Math.min(least, (performance.now() - start) / count);
  }
  self.postMessage(least);
};
