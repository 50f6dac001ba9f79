// The memory of the WebAssembly modules, and a compiled net in it.

const WASM_PAGE = 65536;

export class LinearMemory {
  constructor(Real) {
    this.Real = Real; // Float32Array or Float64Array
    this.end = 1024;
    this.memory = new WebAssembly.Memory({ initial: 1 });
  }

  // Reserve room, on a multiple of 64 bytes; return its address.
  place(bytes) {
    const address = this.end;
    this.end += Math.ceil(bytes / 64) * 64;
    const missing = Math.ceil(this.end / WASM_PAGE) - this.memory.buffer.byteLength / WASM_PAGE;
    if (missing > 0) this.memory.grow(missing); // arrays in the memory become empty
    return address;
  }

  real(address, count) {
    return new this.Real(this.memory.buffer, address, count);
  }

  // The whole memory as numbers: number i is at the address i * BYTES_PER_ELEMENT.
  get all() {
    if (this.view?.buffer !== this.memory.buffer) this.view = new this.Real(this.memory.buffer);
    return this.view;
  }

  doubles(address, count) {
    return new Float64Array(this.memory.buffer, address, count);
  }
}

// A net that is compiled for one update rule: a block of numbers, tables and modules.
export class CompiledNet {
  constructor(memory, described, arrays) {
    this.memory = memory;
    this.described = described;
    this.inputLayers = described.input_layers;
    this.first = new memory.Real(arrays[described.block_blob]);
    this.state = memory.place(described.block * memory.Real.BYTES_PER_ELEMENT);
    const tables = new Uint8Array(arrays[described.tables_blob]);
    this.tables = memory.place(tables.length);
    new Uint8Array(memory.memory.buffer, this.tables, tables.length).set(tables);
    this.layers = described.layers.map((layer) => ({ ...layer, unitOfCell: layer.unit_of_cell_blob === null ? null : new Int32Array(arrays[layer.unit_of_cell_blob]) }));
    this.numbers = Object.fromEntries(this.layers.map(({ name }, number) => [name, number]));
    this.parameters = Object.fromEntries(
      Object.entries(described.parameters).map(([name, { index_blob, regions }]) => [name, { index: new Int32Array(arrays[index_blob]), regions }]));
  }

  static async open(memory, described, arrays) {
    const net = new CompiledNet(memory, described, arrays), imports = { env: { __linear_memory: memory.memory } };
    const made = async ({ blob }) => (await WebAssembly.instantiate(arrays[blob], imports)).instance.exports;
    net.modules = await Promise.all(described.modules.map(async (module) => ({ ...module, run: await made(module) })));
    for (const sum of ["curvature", "saliency"]) net[sum] = described[sum] && { ...described[sum], run: await made(described[sum]) };
    return net;
  }

  get block() {
    return this.memory.real(this.state, this.described.block);
  }

  reset() {
    this.block.set(this.first);
  }

  has(name, region) {
    return this.parameters[name].regions[region] !== undefined;
  }

  // Put the entries of a parameter, or one number for all of them, into a region.
  pack(name, region, values) {
    const { index, regions } = this.parameters[name], block = this.block, start = regions[region];
    const same = typeof values === "number";
    for (let c = 0; c < index.length; c++) block[start + c] = index[c] < 0 ? 0 : same ? values : values[index[c]];
  }

  unpack(name, region, size) {
    const { index, regions } = this.parameters[name], block = this.block, start = regions[region];
    const values = new this.memory.Real(size);
    for (let c = 0; c < index.length; c++) if (index[c] >= 0) values[index[c]] = block[start + c];
    return values;
  }

  // Read the numbers of a layer that lie from `address` on (in cells) into `values` from `start` on (in units).
  readUnits(layer, address, values, start = 0) {
    const { unitOfCell, units } = this.layers[layer], { all } = this.memory, first = address / all.BYTES_PER_ELEMENT;
    if (unitOfCell === null) values.set(all.subarray(first, first + units), start);
    else for (let c = 0; c < units; c++) values[start + unitOfCell[c]] = all[first + c];
    return values;
  }

  // Write `values` from `start` on (in units) to `address` (in cells).
  writeUnits(layer, address, values, start = 0) {
    const { unitOfCell, units } = this.layers[layer], { all } = this.memory, first = address / all.BYTES_PER_ELEMENT;
    if (unitOfCell !== null) for (let c = 0; c < units; c++) all[first + c] = values[start + unitOfCell[c]];
    else if (units > 32) all.set(values.subarray(start, start + units), first);
    else for (let u = 0; u < units; u++) all[first + u] = values[start + u];
  }

  // Write one presentation, the input layers one after the other.
  writeInputs(address, values, start = 0) {
    for (let layer = 0; layer < this.inputLayers; layer++) {
      this.writeUnits(layer, address, values, start);
      start += this.layers[layer].units;
      address += this.layers[layer].units * this.memory.Real.BYTES_PER_ELEMENT;
    }
  }

  // The address of a number of a layer's description ("x", "slope", "error").
  addressOf(layer, what) {
    return this.state + this.layers[layer][what] * this.memory.Real.BYTES_PER_ELEMENT;
  }
}
