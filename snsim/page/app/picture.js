// Prepare a picture as the data set has its pictures. The steps and numbers are those of snsim/data/own_picture.py and
// snsim/data/scaling.py, which tell why; tests/test_page.py finds equal arrays.

const LEAST_CONTRAST = 16; // gray values between paper and the strongest ink

// Gray bytes of RGBA pixels; transparent parts are white. The weights are those of ITU-R 601-2, as in Pillow.
export function grayOf(rgba, count) {
  const gray = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const a = rgba[4 * i + 3];
    const over = (value) => Math.round((value * a + 255 * (255 - a)) / 255);
    const [r, g, b] = [over(rgba[4 * i]), over(rgba[4 * i + 1]), over(rgba[4 * i + 2])];
    gray[i] = (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
  }
  return gray;
}

function paperOf(gray, rows, columns) {
  const border = [];
  for (let c = 0; c < columns; c++) border.push(gray[c], gray[(rows - 1) * columns + c]);
  for (let r = 1; r < rows - 1; r++) border.push(gray[r * columns], gray[r * columns + columns - 1]);
  border.sort((a, b) => a - b);
  return border[(border.length - 1) >> 1];
}

export function inkOf(gray, rows, columns) {
  let least = 255, most = 0;
  for (const value of gray) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  return 2 * paperOf(gray, rows, columns) >= least + most ? "dark" : "light";
}

function overlaps(size, wanted) {
  const all = [];
  for (let cell = 0; cell < wanted; cell++) {
    const row = [];
    for (let pixel = Math.floor((cell * size) / wanted); pixel * wanted < (cell + 1) * size; pixel++) {
      const overlap = Math.min((cell + 1) * size, (pixel + 1) * wanted) - Math.max(cell * size, pixel * wanted);
      if (overlap > 0) row.push([pixel, overlap]);
    }
    all.push(row);
  }
  return all;
}

function areaSums(boxed, height, width, rows, columns) {
  const down = overlaps(height, rows), across = overlaps(width, columns), sums = new Float64Array(rows * columns);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      let sum = 0;
      for (const [y, tall] of down[r]) for (const [x, wide] of across[c]) sum += tall * wide * boxed[y * width + x];
      sums[r * columns + c] = sum;
    }
  }
  return sums;
}

function fitted(height, width, rows, columns) {
  if (height * columns >= width * rows) {
    return [rows, Math.min(columns, Math.max(1, Math.floor((2 * width * rows + height) / (2 * height))))];
  }
  return [Math.min(rows, Math.max(1, Math.floor((2 * height * columns + width) / (2 * width)))), columns];
}

// The first cell of a line of sums on a canvas of `size` cells with its centre of mass in the middle.
function centred(line, size, free) {
  let total = 0n, moment = 0n;
  line.forEach((value, number) => {
    total += BigInt(value);
    moment += BigInt(number) * BigInt(value);
  });
  const above = BigInt(size) * total - 2n * moment + total, below = 2n * total;
  let first = above / below;
  if (above % below < 0n) first -= 1n; // rounded down, as Python's //
  return Math.min(Math.max(0, Number(first)), free);
}

// The ink of a gray picture on a canvas, -1 (paper) to 1 (ink): {cells, box}; null for a picture without ink.
export function placeInk(gray, rows, columns, canvas, style, ink) {
  const paper = paperOf(gray, rows, columns), amount = new Int32Array(rows * columns);
  let strongest = 0;
  for (let i = 0; i < amount.length; i++) {
    amount[i] = Math.max(0, ink === "dark" ? paper - gray[i] : gray[i] - paper);
    strongest = Math.max(strongest, amount[i]);
  }
  if (strongest < LEAST_CONTRAST) return null;
  let [top, bottom, left, right] = [rows, -1, columns, -1];
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      if (4 * amount[r * columns + c] >= strongest) {
        top = Math.min(top, r);
        bottom = Math.max(bottom, r);
        left = Math.min(left, c);
        right = Math.max(right, c);
      }
    }
  }
  const height = bottom - top + 1, width = right - left + 1, boxed = new Int32Array(height * width);
  for (let r = 0; r < height; r++) {
    for (let c = 0; c < width; c++) boxed[r * width + c] = amount[(top + r) * columns + left + c];
  }
  const limits = style.longer_side === null ? canvas : [style.longer_side, style.longer_side];
  const [tall, wide] = fitted(height, width, ...limits);
  const sums = areaSums(boxed, height, width, tall, wide), free = [canvas[0] - tall, canvas[1] - wide];
  let corner = [free[0] >> 1, free[1] >> 1];
  if (style.place === "mass") {
    const byRow = new Array(tall).fill(0), byColumn = new Array(wide).fill(0);
    sums.forEach((value, i) => {
      byRow[Math.floor(i / wide)] += value;
      byColumn[i % wide] += value;
    });
    corner = [centred(byRow, canvas[0], free[0]), centred(byColumn, canvas[1], free[1])];
  }
  const cells = new Float32Array(canvas[0] * canvas[1]).fill(-1);
  for (let r = 0; r < tall; r++) {
    for (let c = 0; c < wide; c++) {
      cells[(corner[0] + r) * canvas[1] + corner[1] + c] = -1 + (2 * sums[r * wide + c]) / (height * width * strongest);
    }
  }
  return { cells, box: [height, width] };
}

function taps(size, wanted) {
  return Array.from({ length: wanted }, (_, i) => {
    const centre = Math.max((i + 0.5) * (size / wanted) - 0.5, 0);
    const low = Math.min(Math.trunc(centre), size - 1), weight = Math.fround(centre - low);
    return { low, high: Math.min(low + 1, size - 1), lowWeight: Math.fround(1 - weight), highWeight: weight };
  });
}

// Bilinear scaling of float32 cells, one rounding for each term in the order of snsim/data/scaling.py.
export function scaleCells(cells, [rows, columns], [tall, wide]) {
  const down = taps(rows, tall), across = taps(columns, wide), scaled = new Float32Array(tall * wide);
  down.forEach((d, r) => across.forEach((a, c) => {
    let total = 0;
    for (const [row, column, weight] of [
      [d.low, a.high, Math.fround(d.lowWeight * a.highWeight)],
      [d.low, a.low, Math.fround(d.lowWeight * a.lowWeight)],
      [d.high, a.low, Math.fround(d.highWeight * a.lowWeight)],
      [d.high, a.high, Math.fround(d.highWeight * a.highWeight)],
    ]) total = Math.fround(cells[row * columns + column] * weight + total);
    scaled[r * wide + c] = total;
  }));
  return scaled;
}

// Gray bytes scaled to another size: bilinear with antialiasing, in the fixed-point numbers of Pillow. Rows are scaled
// first; Pillow 13 sometimes begins with the columns, which differs by one gray at most.
export function resizeGray(gray, rows, columns, tall, wide) {
  const across = wide === columns ? gray : resizeLines(gray, rows, columns, wide, (r, c) => r * columns + c, (r, c) => r * wide + c);
  return tall === rows ? across : resizeLines(across, wide, rows, tall, (c, r) => r * wide + c, (c, r) => r * wide + c);
}

function resizeLines(gray, lines, size, wanted, from, to) {
  const scale = size / wanted, reach = Math.max(scale, 1), made = new Uint8Array(lines * wanted);
  for (let i = 0; i < wanted; i++) {
    const centre = (i + 0.5) * scale, low = Math.max(0, Math.trunc(centre - reach + 0.5)), high = Math.min(size, Math.trunc(centre + reach + 0.5));
    const weights = [];
    for (let k = low; k < high; k++) weights.push(Math.max(0, 1 - Math.abs((k - centre + 0.5) * (1 / reach))));
    const total = weights.reduce((sum, one) => sum + one, 0), fixed = weights.map((one) => Math.trunc(0.5 + (one / total) * 4194304));
    for (let line = 0; line < lines; line++) {
      let sum = 2097152;
      for (let k = low; k < high; k++) sum += gray[from(line, k)] * fixed[k - low];
      made[to(line, i)] = Math.max(0, Math.min(255, Math.floor(sum / 4194304)));
    }
  }
  return made;
}

// The cells of the net's picture for gray bytes, or null if there is no ink: {cells, ink, box}.
// `form` says how: {style, shape, whole, scaling, range}. A whole picture is scaled, not cut; `range` are the inputs for
// paper and ink where these are not -1 and 1.
export function preparePicture(gray, rows, columns, form) {
  const ink = inkOf(gray, rows, columns), [tall, wide] = form.shape;
  if (form.whole) {
    const cells = Float32Array.from(resizeGray(gray, rows, columns, tall, wide), (value, i) => scaledBy(form.scaling, value, i));
    return { cells, ink: null, box: [rows, columns] };
  }
  const canvas = form.style.canvas ?? form.shape;
  const placed = placeInk(gray, rows, columns, canvas, form.style, ink);
  if (placed === null) return null;
  const same = canvas[0] === tall && canvas[1] === wide;
  let cells = same ? placed.cells : scaleCells(placed.cells, canvas, form.shape);
  if (form.range) cells = cells.map((value) => form.range[0] + ((value + 1) / 2) * (form.range[1] - form.range[0]));
  return { cells, ink, box: placed.box };
}

// A byte with the scaling of a user's own data, each step in float32 as snsim/data/record.py has them.
function scaledBy(scaling, value, place) {
  if (scaling === null) return value;
  const one = (list) => Math.fround(list.length === 1 ? list[0] : list[place]);
  let scaled = scaling.mirror === null ? value : Math.fround(Math.fround(scaling.mirror) - value);
  scaled = Math.fround(scaled - one(scaling.offset));
  scaled = Math.fround(scaled / one(scaling.divisor));
  return Math.fround(scaled + Math.fround(scaling.shift));
}

// Cells with the frame of the training put round them.
export function framed(cells, [rows, columns], frame) {
  if (frame === null) return cells;
  const [tall, wide, value] = frame, all = new Float32Array(tall * wide).fill(value);
  const top = Math.floor((tall - rows) / 2), left = Math.floor((wide - columns) / 2);
  for (let r = 0; r < rows; r++) all.set(cells.subarray(r * columns, (r + 1) * columns), (top + r) * wide + left);
  return all;
}
