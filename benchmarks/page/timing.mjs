// The least CPU time of several rounds, in microseconds a presentation; `learn(count)` presents so many patterns.
export async function microseconds(learn, count, rounds = 12) {
  let least = Infinity;
  for (let round = 0; round < rounds; round++) {
    const start = process.cpuUsage();
    await learn(count);
    const { user, system } = process.cpuUsage(start);
    least = Math.min(least, (user + system) / count);
  }
  return least;
}
