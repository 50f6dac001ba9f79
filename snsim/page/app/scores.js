// What outputs say: which are right, which class is answered, and the confusion of classes.
// The criteria are those of snsim/training/criteria.py.

const CRITERIA = {
  max(x, d) {
    const most = Math.max(...x), wanted = Math.max(...d);
    return x.every((value, i) => (value === most) === (d[i] === wanted));
  },
  quadrant: (x, d) => x.every((value, i) => !((d[i] > 0 && value <= 0) || (d[i] < 0 && value >= 0))),
  lms: (x, d, [margin]) => x.reduce((sum, value, i) => sum + (d[i] - value) ** 2, 0) / x.length < margin,
  sgn(x, d, [low, high]) {
    if (low === 0 && high === 0) return CRITERIA.quadrant(x, d);
    return x.every((value, i) => (value < low) === (d[i] < low) && (value > high) === (d[i] > high));
  },
  hamming: (x, d, [margin]) => x.every((value, i) => Math.abs(d[i] - value) <= margin),
  labels: (x, d, [border]) => x.every((value, i) => (d[i] > border ? value > border : value < border)),
};

export function rightOf(outputs, targets, units, criterion) {
  const [name, ...numbers] = criterion, right = CRITERIA[name], count = outputs.length / units;
  return Array.from({ length: count }, (_, k) =>
    right([...outputs.subarray(k * units, (k + 1) * units)], [...targets.subarray(k * units, (k + 1) * units)], numbers));
}

export function largest(values, start = 0, count = values.length) {
  let best = start;
  for (let i = start + 1; i < start + count; i++) if (values[i] > values[best]) best = i;
  return best - start;
}

// counts[label][answer], where the largest target and output tell the class.
export function confusionOf(outputs, targets, units) {
  const counts = Array.from({ length: units }, () => new Array(units).fill(0));
  for (let k = 0; k < outputs.length; k += units) counts[largest(targets, k, units)][largest(outputs, k, units)]++;
  return counts;
}
