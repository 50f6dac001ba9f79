// Files that leave and enter the page: weights as safetensors, the curve as CSV.

// The bytes of a safetensors file with float32 arrays. `arrays`: [{name, shape, values}].
export function toSafetensors(arrays, metadata = {}) {
  const header = { __metadata__: metadata };
  let end = 0;
  for (const { name, shape, values } of arrays) {
    header[name] = { dtype: "F32", shape, data_offsets: [end, end + 4 * values.length] };
    end += 4 * values.length;
  }
  let text = JSON.stringify(header);
  const bytes = () => new TextEncoder().encode(text);
  while (bytes().length % 8) text += " ";
  const head = bytes(), file = new Uint8Array(8 + head.length + end), view = new DataView(file.buffer);
  view.setBigUint64(0, BigInt(head.length), true);
  file.set(head, 8);
  let at = 8 + head.length;
  for (const { values } of arrays) for (const value of values) {
    view.setFloat32(at, value, true);
    at += 4;
  }
  return file;
}

const READERS = {
  F32: [4, (view, at) => view.getFloat32(at, true)],
  F64: [8, (view, at) => view.getFloat64(at, true)],
};

// The arrays of a safetensors file by name: Map of name to {shape, values}. Error with a sentence if it is none.
export function fromSafetensors(buffer) {
  const view = new DataView(buffer);
  const size = buffer.byteLength < 8 ? -1 : Number(view.getBigUint64(0, true));
  if (size < 2 || size > buffer.byteLength - 8) throw new Error("this is not a safetensors file");
  let header;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(buffer, 8, size)));
  } catch {
    throw new Error("this is not a safetensors file: its header is damaged");
  }
  const arrays = new Map();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [width, read] = READERS[entry?.dtype] ?? [];
    if (!width) throw new Error(`the array ${name} has the type ${entry?.dtype}, expected F32 or F64`);
    const count = entry.shape.reduce((product, length) => product * length, 1);
    const start = 8 + size + entry.data_offsets[0];
    if (!(count >= 0) || entry.data_offsets[1] - entry.data_offsets[0] !== width * count
        || start + width * count > buffer.byteLength) throw new Error(`the array ${name} is damaged`);
    const values = new Float32Array(count);
    for (let i = 0; i < count; i++) values[i] = read(view, start + i * width);
    arrays.set(name, { shape: entry.shape, values });
  }
  return arrays;
}

// Check that arrays are those of the net, by name and shape; return them by name. Error with a sentence if not.
export function fittingWeights(arrays, parameters) {
  const names = new Set(parameters.flatMap((one) => [one.name, one.described]));
  const unknown = [...arrays.keys()].find((name) => !names.has(name));
  if (unknown !== undefined) throw new Error(`this net has no weights ${unknown}`);
  const fitting = {};
  for (const one of parameters) {
    const array = arrays.get(one.name) ?? arrays.get(one.described);
    if (array === undefined) throw new Error(`the file has no weights ${one.name}`);
    if (array.shape.join("x") !== one.shape.join("x")) {
      throw new Error(`${one.name} has the shape ${array.shape.join("x")} in the file, ${one.shape.join("x")} here`);
    }
    fitting[one.name] = array.values;
  }
  return fitting;
}

// The passes as CSV, one a line.
export function toCsv(passes) {
  const columns = ["loss", "half_mse", "error", "misses"];
  const head = ["pass", ...columns.map((one) => `train_${one}`), ...columns.map((one) => `test_${one}`)];
  const cells = (score) => columns.map((one) => (score && score[one] !== undefined ? String(score[one]) : ""));
  return [head, ...passes.map((one) => [one.number, ...cells(one.train), ...cells(one.test)])]
    .map((row) => row.join(",") + "\n").join("");
}

// What a link asks for: `#seed=3&passes=5` gives {seed: 3, passes: 5}; null where it says nothing.
export function readLink(hash) {
  const words = new URLSearchParams(hash.replace(/^#/, ""));
  const number = (name, least) => {
    const text = words.get(name);
    return text !== null && /^\d{1,9}$/.test(text) && Number(text) >= least ? Number(text) : null;
  };
  return { seed: number("seed", 0), passes: number("passes", 0) };
}

export const writeLink = (seed, passes) => `#seed=${seed}&passes=${passes}`;
