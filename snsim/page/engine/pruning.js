// Prune the weights of smallest saliency, with the numbers of snsim/training/pruning.py.

export const KEPT = "state kept weights"; // the region of the state that is 1 for weights that remain

// The masks after pruning a fraction of the remaining connections, or weights: by parameter, 1 for weights that remain.
// `h` and `weights` by parameter; `masks` are those before, or null. `sharers`: the connections of each weight.
export function keptMasks(h, weights, masks, sharers, fraction, of) {
  const saliency = {}, remaining = [];
  let total = 0;
  for (const name of Object.keys(sharers)) {
    saliency[name] = Float64Array.from(weights[name], (w, i) => h[name][i] * (w * w));
    saliency[name].forEach((value, i) => {
      if (masks && !masks[name][i]) return;
      if (!Number.isFinite(value)) throw new Error("the curvature over the training patterns is not finite, so no weights can be pruned by it. Lower the learning rate and restart.");
      const count = of === "connections" ? sharers[name][i] : 1;
      remaining.push([value, count]);
      total += count;
    });
  }
  remaining.sort((a, b) => a[0] - b[0]);
  let left = Math.floor(total * fraction), place = 0; // the connection whose saliency is the limit
  while (place < remaining.length - 1 && left >= remaining[place][1]) left -= remaining[place++][1];
  const limit = total ? remaining[place][0] : -Infinity, now = {};
  for (const name of Object.keys(sharers)) {
    now[name] = Float64Array.from(saliency[name], (value, i) => (masks && !masks[name][i]) || value < limit ? 0 : 1);
  }
  return now;
}

// What remains: {connections, weights}.
export function countRemaining(masks, sharers) {
  let connections = 0, weights = 0;
  for (const [name, mask] of Object.entries(masks)) {
    mask.forEach((remains, i) => {
      if (!remains) return;
      connections += sharers[name][i];
      weights++;
    });
  }
  return { connections, weights };
}

// The remaining lines of each unit of each layer but the first. `remaining` is described in training_description.py.
export function remainingLines({ counting, layers }, masks, integers) {
  return layers.map(({ units, bias, connections }) => {
    const total = new Float64Array(units);
    for (const { parameter, targets_blob: targets, weights_blob: weights } of connections) {
      const target = integers(targets), weight = integers(weights), mask = masks?.[parameter];
      for (let k = 0; k < target.length; k++) if (!mask || mask[weight[k]]) total[target[k]]++;
    }
    if (bias !== null) {
      const index = integers(bias.index_blob), mask = masks?.[bias.parameter];
      for (let u = 0; u < units; u++) total[u] += counting === "weights" || !mask || mask[index[u]] ? 1 : 0;
    }
    return total;
  });
}

// The divisors of the rates of a parameter, one for each weight. `lines` are those of the units of its layer, `last` the
// last unit that uses each weight, or -1.
export function divisorOf(family, counting, lines, last, hasBias, sharers) {
  const least = counting === "weights" ? 2 : 1;
  return Float64Array.from(last, (unit, i) => {
    const all = Math.max(unit < 0 ? 0 : lines[unit], least);
    const fan = counting === "weights" && hasBias ? Math.max(all - 1, 1) : all;
    return family === "epsi-inv" ? fan : Math.sqrt(family === "mask-epsi" ? fan * sharers[i] : fan);
  });
}
