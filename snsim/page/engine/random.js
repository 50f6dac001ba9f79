// Random numbers as NumPy and snsim draw them, bit by bit: SeedSequence, PCG64, Philox, and what Generator makes of them.
// Words of 32 bits are JavaScript numbers from 0 to 2^32 - 1.

const TWO_32 = 4294967296;
const ONE_IN_2_53 = 2 ** -53;

// The streams of a run: snsim/training/initial.py.
export const STREAM = { weights: 0, order: 1, noise: 2, curvature: 3, gates: 4, theta: 5 };

// NumPy's SeedSequence: whole numbers to so many words.
export function seedWords(entropy, count) {
  const words = entropy.flatMap(wordsOfWhole), pool = [0, 0, 0, 0];
  let constant = 0x43b0d7e5;
  const hashed = (value) => {
    value ^= constant;
    constant = Math.imul(constant, 0x931e8875);
    value = Math.imul(value, constant);
    return (value ^ (value >>> 16)) >>> 0;
  };
  const mixed = (x, y) => {
    const result = Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y);
    return (result ^ (result >>> 16)) >>> 0;
  };
  for (let i = 0; i < 4; i++) pool[i] = hashed(words[i] ?? 0);
  for (let from = 0; from < 4; from++) for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mixed(pool[to], hashed(pool[from]));
  for (const word of words.slice(4)) for (let to = 0; to < 4; to++) pool[to] = mixed(pool[to], hashed(word));
  constant = 0x8b51f9dd;
  return Array.from({ length: count }, (_, i) => {
    let word = pool[i % 4] ^ constant;
    constant = Math.imul(constant, 0x58f38ded);
    word = Math.imul(word, constant);
    return (word ^ (word >>> 16)) >>> 0;
  });
}

function wordsOfWhole(whole) {
  const words = [];
  for (let rest = BigInt(whole); rest > 0n || !words.length; rest >>= 32n) words.push(Number(rest & 0xffffffffn));
  return words;
}

// What NumPy's Generator does with a source of 64 random bits, `next()`, which leaves them in `high` and `low`.
class RandomSource {
  constructor() {
    this.high = 0;
    this.low = 0;
    this.kept = null; // the upper half of the last 64 bits, for the next 32
  }

  next32() {
    if (this.kept !== null) {
      const word = this.kept;
      this.kept = null;
      return word;
    }
    this.next();
    this.kept = this.high;
    return this.low;
  }

  // A number from 0 to 1, 1 excluded.
  double() {
    this.next();
    return (this.high * 2097152 + (this.low >>> 11)) * ONE_IN_2_53;
  }

  // A whole number from 0 to `most`, by Lemire's method.
  upTo(most) {
    if (most === 0) return 0;
    if (most === TWO_32 - 1) return this.next32();
    const range = most + 1;
    let word = this.next32(), left = Math.imul(word, range) >>> 0;
    if (left < range) {
      const threshold = (TWO_32 - range) % range;
      while (left < threshold) {
        word = this.next32();
        left = Math.imul(word, range) >>> 0;
      }
    }
    return highOfProduct(word, range);
  }

  // A whole number from 0 to `most`, by rejection of too large ones: what shuffles use.
  interval(most) {
    const mask = most === 0 ? 0 : 0xffffffff >>> Math.clz32(most);
    for (;;) {
      const word = (this.next32() & mask) >>> 0;
      if (word <= most) return word;
    }
  }

  // Generator.integers(0, count, size)
  integers(count, size) {
    return Int32Array.from({ length: size }, () => this.upTo(count - 1));
  }

  // Generator.permutation(count)
  permutation(count) {
    const order = Int32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.interval(i), moved = order[i];
      order[i] = order[j];
      order[j] = moved;
    }
    return order;
  }

  // Generator.standard_normal(): the ziggurat of Marsaglia and Tsang. `table` has widths, limits and heights.
  normal(table) {
    for (;;) {
      this.next();
      const strip = this.low & 255, negative = this.low & 256;
      const bits = (this.high & 0x1fffffff) * 8388608 + (this.low >>> 9); // 52 of them
      const x = negative ? -bits * table[strip] : bits * table[strip];
      if (bits < table[256 + strip]) return x;
      if (strip === 0) {
        for (;;) {
          const along = -NORMAL_EDGE_INVERSE * Math.log1p(-this.double()), above = -Math.log1p(-this.double());
          if (above + above > along * along) return (bits / 256) & 1 ? -(NORMAL_EDGE + along) : NORMAL_EDGE + along;
        }
      }
      const low = table[512 + strip];
      if ((table[511 + strip] - low) * this.double() + low < Math.exp(-0.5 * x * x)) return x;
    }
  }
}

const NORMAL_EDGE = 3.6541528853610087963519472518;
const NORMAL_EDGE_INVERSE = 0.27366123732975827203338247596;

// The upper 32 bits of the product of two words.
function highOfProduct(a, b) {
  const aLow = a & 0xffff, aHigh = a >>> 16, bLow = b & 0xffff, bHigh = b >>> 16;
  const lowHigh = aLow * bHigh, highLow = aHigh * bLow;
  const middle = ((aLow * bLow) >>> 16) + (lowHigh & 0xffff) + (highLow & 0xffff);
  return aHigh * bHigh + (lowHigh >>> 16) + (highLow >>> 16) + (middle >>> 16);
}

// ---- PCG64 ---------------------------------------------------------------------------------------------------------

// O'Neill 2014: PCG XSL RR 128/64. Numbers of 128 bits are 8 parts of 16 bits, the lowest first.
const PCG_FACTOR = [0xf645, 0x9fcc, 0xdf64, 0x4385, 0x5da4, 0x1fc6, 0xed05, 0x2360]; // 0x2360ed051fc65da44385df649fccf645

export class Pcg64 extends RandomSource {
  constructor(entropy) {
    super();
    const words = seedWords(entropy, 8); // two of 128 bits, each with its upper 64 bits first
    const start = partsOf(words.slice(0, 4)), sequence = partsOf(words.slice(4));
    this.state = [0, 0, 0, 0, 0, 0, 0, 0];
    this.increment = sequence.map((part, i) => ((part << 1) | (i ? sequence[i - 1] >>> 15 : 1)) & 0xffff);
    this.step();
    for (let i = 0, carry = 0; i < 8; i++) {
      carry += this.state[i] + start[i];
      this.state[i] = carry & 0xffff;
      carry >>>= 16;
    }
    this.step();
  }

  step() {
    const { state, increment } = this;
    let carry = 0;
    for (let i = 7; i >= 0; i--) { // from the top, so that the parts below are still the old ones
      let sum = 0;
      for (let j = 0; j <= i; j++) sum += state[j] * PCG_FACTOR[i - j];
      PRODUCT[i] = sum;
    }
    for (let i = 0; i < 8; i++) {
      carry += PRODUCT[i] + increment[i];
      state[i] = carry % 65536;
      carry = Math.floor(carry / 65536);
    }
  }

  next() {
    this.step();
    const s = this.state, turn = s[7] >>> 10;
    const high = (((s[7] ^ s[3]) << 16) | (s[6] ^ s[2])) >>> 0, low = (((s[5] ^ s[1]) << 16) | (s[4] ^ s[0])) >>> 0;
    const [upper, lower] = turn & 32 ? [low, high] : [high, low], shift = turn & 31;
    this.high = shift ? ((upper >>> shift) | (lower << (32 - shift))) >>> 0 : upper;
    this.low = shift ? ((lower >>> shift) | (upper << (32 - shift))) >>> 0 : lower;
  }
}

const PRODUCT = [0, 0, 0, 0, 0, 0, 0, 0];

// Four words, as two numbers of 64 bits with the upper one first, to parts of 16 bits.
function partsOf([a, b, c, d]) {
  return [c, d, a, b].flatMap((word) => [word & 0xffff, word >>> 16]);
}

// ---- Philox --------------------------------------------------------------------------------------------------------

// Salmon et al. 2011: Philox 4x64, 10 rounds. Words of 64 bits are two numbers, the lower first.
export class Philox extends RandomSource {
  constructor(entropy) {
    super();
    this.key = seedWords(entropy, 4);
    this.counter = new Uint32Array(8);
    this.buffer = new Uint32Array(8);
    this.place = 8;
  }

  next() {
    if (this.place === 8) this.fill();
    this.low = this.buffer[this.place++];
    this.high = this.buffer[this.place++];
  }

  fill() {
    const { counter, buffer } = this;
    for (let i = 0; i < 8 && ++counter[i] === 0; i++); // a carry goes on where a word becomes 0
    let [a0, a1, b0, b1, c0, c1, d0, d1] = counter, [k0, k1, l0, l1] = this.key;
    for (let round = 0; round < 10; round++) {
      if (round) {
        k0 += 0x7f4a7c15;
        k1 = (k1 + 0x9e3779b9 + (k0 >= TWO_32 ? 1 : 0)) >>> 0;
        k0 >>>= 0;
        l0 += 0x84caa73b;
        l1 = (l1 + 0xbb67ae85 + (l0 >= TWO_32 ? 1 : 0)) >>> 0;
        l0 >>>= 0;
      }
      multiply64(a0, a1, 0xe14c6c93, 0xd2e7470e);
      const p0 = PARTS_64[0], p1 = PARTS_64[1], p2 = PARTS_64[2], p3 = PARTS_64[3];
      multiply64(c0, c1, 0x95121157, 0xca5a8263);
      const q0 = PARTS_64[0], q1 = PARTS_64[1], q2 = PARTS_64[2], q3 = PARTS_64[3];
      a0 = (q2 ^ b0 ^ k0) >>> 0;
      a1 = (q3 ^ b1 ^ k1) >>> 0;
      c0 = (p2 ^ d0 ^ l0) >>> 0;
      c1 = (p3 ^ d1 ^ l1) >>> 0;
      b0 = q0;
      b1 = q1;
      d0 = p0;
      d1 = p1;
    }
    buffer[0] = a0;
    buffer[1] = a1;
    buffer[2] = b0;
    buffer[3] = b1;
    buffer[4] = c0;
    buffer[5] = c1;
    buffer[6] = d0;
    buffer[7] = d1;
    this.place = 0;
  }
}

const PARTS_64 = new Float64Array(4);

// The product of two numbers of 64 bits: four words in PARTS_64, the lowest first.
function multiply64(a, b, c, d) {
  const low = highOfProduct(a, c), crossed = highOfProduct(a, d), other = highOfProduct(b, c);
  const middle = low + (Math.imul(a, d) >>> 0) + (Math.imul(b, c) >>> 0);
  const upper = crossed + other + (Math.imul(b, d) >>> 0) + Math.floor(middle / TWO_32);
  PARTS_64[0] = Math.imul(a, c) >>> 0;
  PARTS_64[1] = middle >>> 0;
  PARTS_64[2] = upper >>> 0;
  PARTS_64[3] = highOfProduct(b, d) + Math.floor(upper / TWO_32);
}
