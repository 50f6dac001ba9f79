// Scores of outputs as snsim/training/scores.py computes them in float64, with NumPy's order of summation.

// NumPy's pairwise summation of `count` numbers from `start` on.
export function pairwiseSum(values, start = 0, count = values.length) {
  if (count < 8) {
    let sum = 0;
    for (let i = start; i < start + count; i++) sum += values[i];
    return sum;
  }
  if (count <= 128) {
    let [a, b, c, d, e, f, g, h] = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => values[start + i]);
    const whole = count - (count % 8);
    for (let i = start + 8; i < start + whole; i += 8) {
      a += values[i];
      b += values[i + 1];
      c += values[i + 2];
      d += values[i + 3];
      e += values[i + 4];
      f += values[i + 5];
      g += values[i + 6];
      h += values[i + 7];
    }
    let sum = a + b + (c + d) + (e + f + (g + h));
    for (let i = start + whole; i < start + count; i++) sum += values[i];
    return sum;
  }
  let half = Math.floor(count / 2);
  half -= half % 8;
  return pairwiseSum(values, start, half) + pairwiseSum(values, start + half, count - half);
}

// The score of outputs for their targets; both have `units` numbers a pattern.
export function scoreOutputs(outputs, targets, units, cost, criterion) {
  const patterns = outputs.length / units, numbers = outputs.length;
  const squares = new Float64Array(numbers), [name, ...limits] = criterion;
  for (let i = 0; i < numbers; i++) squares[i] = (targets[i] - outputs[i]) * (targets[i] - outputs[i]);
  let misses = 0;
  for (let k = 0; k < patterns; k++) if (!IS_RIGHT[name](outputs, targets, k * units, units, limits)) misses++;
  const mse = pairwiseSum(squares) / numbers;
  const loss = cost.softmax ? crossEntropy(outputs, targets, units, cost.rubbish ?? -Infinity) : pairwiseSum(costOfEach(cost, outputs, targets)) / patterns;
  return { loss, half_mse: mse / 2, mse, error: (100 * misses) / patterns, misses, patterns };
}

// With a finite `rubbish` there is one more class, which has that output.
function crossEntropy(outputs, targets, units, rubbish) {
  const patterns = outputs.length / units, terms = new Float64Array(outputs.length), powers = new Float64Array(units);
  for (let k = 0; k < outputs.length; k += units) {
    let most = rubbish;
    for (let i = k; i < k + units; i++) most = Math.max(most, outputs[i]);
    for (let i = 0; i < units; i++) powers[i] = Math.exp(outputs[k + i] - most);
    const logarithm = Math.log(pairwiseSum(powers) + Math.exp(rubbish - most));
    for (let i = k; i < k + units; i++) terms[i] = targets[i] * (outputs[i] - most - logarithm);
  }
  return -pairwiseSum(terms) / patterns;
}

const STEP_OF = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  negate: (a) => -a,
  "**": (a, b) => (b === 2 ? a * a : Math.pow(a, b)),
  sqrt: Math.sqrt,
  exp: (a) => Math.exp(Math.min(a, 709)),
  log: Math.log,
  tanh: Math.tanh,
  abs: Math.abs,
  sgn: Math.sign,
  min: Math.min,
  max: Math.max,
  if: (c, a, b) => (c !== 0 ? a : b),
  "<": (a, b) => Number(a < b),
  "<=": (a, b) => Number(a <= b),
  ">": (a, b) => Number(a > b),
  ">=": (a, b) => Number(a >= b),
  "=": (a, b) => Number(a === b),
  and: (a, b) => Number(a !== 0 && b !== 0),
  or: (a, b) => Number(a !== 0 || b !== 0),
  not: (a) => Number(a === 0),
};

// E of each output; `cost` is a straight-line program in x and d.
function costOfEach(cost, outputs, targets) {
  const values = new Float64Array(cost.steps.length), result = new Float64Array(outputs.length);
  const steps = cost.steps.map(([op, places, number, name]) => {
    if (op === "number") return () => number;
    if (op === "variable") return name === "x" ? (i) => outputs[i] : (i) => targets[i];
    const apply = STEP_OF[op], [a, b, c] = places;
    return places.length === 1 ? () => apply(values[a]) : places.length === 2 ? () => apply(values[a], values[b]) : () => apply(values[a], values[b], values[c]);
  });
  for (let i = 0; i < outputs.length; i++) {
    for (let s = 0; s < steps.length; s++) values[s] = steps[s](i);
    result[i] = values[cost.result];
  }
  return result;
}

// The criteria of snsim/training/criteria.py, for the pattern that begins at `start`.
const IS_RIGHT = {
  max(x, d, start, units) {
    let most = -Infinity, wanted = -Infinity;
    for (let i = start; i < start + units; i++) {
      most = Math.max(most, x[i]);
      wanted = Math.max(wanted, d[i]);
    }
    for (let i = start; i < start + units; i++) if ((x[i] === most) !== (d[i] === wanted)) return false;
    return true;
  },
  quadrant(x, d, start, units) {
    for (let i = start; i < start + units; i++) if ((d[i] > 0 && x[i] <= 0) || (d[i] < 0 && x[i] >= 0)) return false;
    return true;
  },
  lms(x, d, start, units, [margin]) {
    const squares = new Float64Array(units);
    for (let i = 0; i < units; i++) squares[i] = (d[start + i] - x[start + i]) ** 2;
    return pairwiseSum(squares) / units < margin;
  },
  sgn(x, d, start, units, [low, high]) {
    if (low === 0 && high === 0) return IS_RIGHT.quadrant(x, d, start, units);
    for (let i = start; i < start + units; i++) if (x[i] < low !== d[i] < low || x[i] > high !== d[i] > high) return false;
    return true;
  },
  hamming(x, d, start, units, [margin]) {
    for (let i = start; i < start + units; i++) if (!(Math.abs(d[i] - x[i]) <= margin)) return false;
    return true;
  },
  labels(x, d, start, units, [border]) {
    for (let i = start; i < start + units; i++) if (!(d[i] > border ? x[i] > border : d[i] <= border && x[i] < border)) return false;
    return true;
  },
};
