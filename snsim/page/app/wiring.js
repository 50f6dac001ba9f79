// Which units a unit reads, with which weights, and how the weights of a connection are laid out as kernels.
// The numbering is that of snsim/network/wiring.py; tests/test_page.py compares both entry by entry.

export const BORDER = -2;

// The lines that enter one unit of the target: {sources, weights}. A source is a unit, or BORDER.
// `table` has the explicit table where the connection has no other structure.
export function incoming(connection, unit, table = null) {
  const s = connection.structure;
  if (s.kind === "dense") {
    const sources = new Int32Array(s.sources), weights = new Int32Array(s.sources);
    for (let i = 0; i < s.sources; i++) {
      sources[i] = i;
      weights[i] = i * s.targets + unit;
    }
    return { sources, weights };
  }
  if (s.kind === "frames") {
    const [, traits] = s.source, [, outputs] = s.target, lines = s.window * traits;
    const frame = Math.floor(unit / outputs), output = unit % outputs;
    const sources = new Int32Array(lines), weights = new Int32Array(lines);
    for (let line = 0; line < lines; line++) {
      sources[line] = frame * s.step * traits + line;
      weights[line] = line * outputs + output;
    }
    return { sources, weights };
  }
  if (s.kind === "windows") return windowLines(s, unit);
  const sources = [], weights = [];
  if (table !== null) {
    for (let k = 0; k < table.target.length; k++) {
      if (table.target[k] === unit) {
        sources.push(table.source[k]);
        weights.push(table.weight[k]);
      }
    }
  }
  return { sources: Int32Array.from(sources), weights: Int32Array.from(weights) };
}

function windowLines(s, unit) {
  const [, rows, columns] = s.source, [, down, across] = s.target, units = down * across;
  const map = Math.floor(unit / units), place = unit % units;
  const top = Math.floor(place / across) * s.step[0] - s.border[0];
  const left = (place % across) * s.step[1] - s.border[1];
  const cells = s.window[0] * s.window[1], fed = feeding(s, map), first = firstPair(s, map);
  const sources = new Int32Array(fed.length * cells), weights = new Int32Array(fed.length * cells);
  for (let k = 0, at = 0; k < fed.length; k++) {
    for (let i = 0; i < s.window[0]; i++) {
      for (let j = 0; j < s.window[1]; j++, at++) {
        let r = top + i, c = left + j;
        if (s.wrap) {
          r = ((r % rows) + rows) % rows;
          c = ((c % columns) + columns) % columns;
        }
        const inside = r >= 0 && r < rows && c >= 0 && c < columns;
        sources[at] = inside ? (fed[k] * rows + r) * columns + c : BORDER;
        weights[at] = weightOf(s, first + k, place, i * s.window[1] + j);
      }
    }
  }
  return { sources, weights };
}

function weightOf(s, pair, place, cell) {
  if (s.sharing === "pair") return pair;
  const cells = s.window[0] * s.window[1];
  const kernel = s.sharing === "map" ? pair : pair * s.target[1] * s.target[2] + place;
  return kernel * cells + cell;
}

// A function from the number of a weight of a unit to its value; null where the weights are not at hand.
export function weightsOf({ parameter, fixed, codes, gain, owners }, lines, learned) {
  if (typeof fixed === "number") return () => fixed;
  const values = fixed === "codes" ? codes : learned[parameter];
  if (!values || gain === null) return values ? (number) => values[number] : null;
  const own = [...new Set(lines.weights)], length = Math.sqrt(own.reduce((sum, number) => sum + values[number] ** 2, 0));
  return (number) => (learned[gain][owners[number]] * values[number]) / length; // weight-norm
}

// What a line adds to the sum of its unit.
export function added({ scale, distance }, weight, state) {
  return scale * (distance ? (weight - state) ** 2 : weight * state);
}

// The source maps that feed a target map, in order. `maps` is one text a source map: x feeds.
export function feeding(s, target) {
  const fed = [];
  for (let k = 0; k < s.maps.length; k++) if (s.maps[k][target] === "x") fed.push(k);
  return fed;
}

// The target maps that a source map feeds, in order.
export function fedBy(s, source) {
  return [...s.maps[source]].flatMap((sign, map) => (sign === "x" ? [map] : []));
}

function firstPair(s, target) {
  let first = 0;
  for (const row of s.maps) for (let t = 0; t < target; t++) if (row[t] === "x") first++;
  return first;
}

// The kernels of a connection: {sources, targets, rows, columns, gap, at(s, t)}. `at` returns the numbers of the weights
// of one kernel, row by row, or null where the two are not connected. -1 in a kernel is a gap.
export function kernels(connection, layers, table = null) {
  const s = connection.structure;
  const source = layers.find((layer) => layer.name === connection.source);
  const target = layers.find((layer) => layer.name === connection.target);
  if (s.kind === "dense") {
    const [maps, rows, columns] = source.maps ?? [source.units, 1, 1], cells = rows * columns;
    const at = (from, to) => Int32Array.from({ length: cells }, (_, i) => (from * cells + i) * s.targets + to);
    return { sources: maps, targets: s.targets, rows, columns, gap: cells > 1 ? 1 : 0, at };
  }
  if (s.kind === "frames") {
    const traits = s.source[1], outputs = s.target[1], cells = s.window * traits;
    const at = (from, to) => Int32Array.from({ length: cells }, (_, i) => i * outputs + to);
    return { sources: 1, targets: outputs, rows: s.window, columns: traits, gap: 1, at };
  }
  if (s.kind === "windows") return windowKernels(s);
  const places = new Map();
  if (table !== null) {
    for (let k = 0; k < table.target.length; k++) {
      if (table.source[k] >= 0) places.set(table.source[k] * target.units + table.target[k], table.weight[k]);
    }
  }
  const at = (from, to) => {
    const weight = places.get(from * target.units + to);
    return weight === undefined ? null : Int32Array.of(weight);
  };
  return { sources: source.units, targets: target.units, rows: 1, columns: 1, gap: 0, at };
}

function windowKernels(s) {
  const [h, w] = s.window, cells = h * w, [, down, across] = s.target;
  const pairs = new Map();
  let pair = 0;
  for (let t = 0; t < s.target[0]; t++) for (const from of feeding(s, t)) pairs.set(from * s.target[0] + t, pair++);
  const base = { sources: s.source[0], targets: s.target[0] };
  const numbered = (from, to) => pairs.get(from * s.target[0] + to);
  if (s.sharing === "pair") {
    const at = (from, to) => (numbered(from, to) === undefined ? null : Int32Array.of(numbered(from, to)));
    return { ...base, rows: 1, columns: 1, gap: 0, at };
  }
  if (s.sharing === "map") {
    const at = (from, to) => {
      const number = numbered(from, to);
      return number === undefined ? null : Int32Array.from({ length: cells }, (_, i) => number * cells + i);
    };
    return { ...base, rows: h, columns: w, gap: 1, at };
  }
  const rows = down * (h + 1) - 1, columns = across * (w + 1) - 1; // the kernels of all units, with gaps
  const at = (from, to) => {
    const number = numbered(from, to);
    if (number === undefined) return null;
    const all = new Int32Array(rows * columns).fill(-1);
    for (let u = 0; u < down * across; u++) {
      const top = Math.floor(u / across) * (h + 1), left = (u % across) * (w + 1);
      for (let i = 0; i < cells; i++) {
        all[(top + Math.floor(i / w)) * columns + left + (i % w)] = (number * down * across + u) * cells + i;
      }
    }
    return all;
  };
  return { ...base, rows, columns, gap: 2, at };
}

// The units of every earlier layer that a unit depends on, by name of the layer: its receptive field. A connection with
// a delay reads the step before: only those into the unit itself count, from other layers.
// `tables` has the explicit tables by name of the connection. It stops after `most` lines and then says `cut`.
export function receptiveField(view, layer, unit, tables = {}, most = 400000) {
  const fields = { [layer]: new Set([unit]) };
  const order = view.layers.map((one) => one.name);
  let done = 0, cut = false;
  for (let place = order.indexOf(layer); place > 0; place--) {
    const name = order[place], units = fields[name];
    if (units === undefined) continue;
    for (const connection of view.connections.filter((one) => one.target === name)) {
      if (connection.delayed && (name !== layer || connection.source === layer)) continue;
      const into = (fields[connection.source] ??= new Set());
      const size = view.layers[order.indexOf(connection.source)].units;
      for (const each of units) {
        if (into.size === size) break;
        if (done > most) {
          cut = true;
          break;
        }
        const { sources } = incoming(connection, each, tables[connection.name] ?? null);
        done += sources.length;
        for (const source of sources) if (source >= 0) into.add(source);
      }
    }
    for (const transform of view.transforms.filter((one) => one.target === name)) {
      for (const source of transform.sources) { // every position may matter
        const size = view.layers[order.indexOf(source)].units;
        fields[source] = new Set(Array.from({ length: size }, (_, i) => i));
      }
    }
  }
  return { fields, cut };
}
