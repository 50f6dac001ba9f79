"""The backward pass of windows with weights shared by all positions (see dot_tiles.py for the layout).

It reads the errors of the target and emits the errors of the source into its buffer, and the gradient of each weight,
summed over the positions in registers and passed to the update at once. Channels of power 2 carry curvature: the same
loops with w^2 and x^2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import gcd, isqrt

from snsim.engines.native.dot_tiles import Tiles
from snsim.engines.native.im2col import PoolBuffer, WindowBuffer
from snsim.engines.native.layout import POWER, LaneMask, blocks, even_size
from snsim.engines.native.llvm_ir import Function, Index, Value
from snsim.engines.native.target import Address
from snsim.engines.native.unshared_backward import even_chunks
from snsim.engines.native.update_rules import WeightUpdate

_MOST_UNROLLED = 8  # positions of a row that are written out
_LONG = 16  # vectors in a row of a window from which on each loaded vector of weights serves several positions
_MOST_SERVED = 4  # positions


def emit_errors(f: Function, tiles: Tiles, channels: Sequence[str]) -> None:
    """Emit errors times weights into `buffer.back`, for every window. Windows that share cells add up there."""
    where, buffer = tiles.buffer.layout, tiles.buffer
    strips = _strips(f, tiles, len(channels))

    def window_rows(s: Index, i: Index, i0: int, k0: int, rows: int, adds: bool) -> None:
        """Emit window rows k0 ... k0 + rows - 1 of the positions in row i0 + i."""
        for strip in strips:
            f.nest(
                {"positions": strip.blocks, "window": rows},
                lambda b, k, strip=strip: _emit_strip(f, tiles, channels, strip, (0, s, i, b, k), (i0, k0), adds),
            )

    whole = where.kernel_rows
    if not isinstance(buffer, WindowBuffer):  # windows share nothing
        f.nest({"set": tiles.sets, "row": where.rows}, lambda s, i: window_rows(s, i, 0, 0, whole, False))
        return
    step = buffer.geometry.step
    if len(strips) > 1 or strips[0].blocks > 1 or step[0] > whole or step[1] > buffer.geometry.window[1]:
        buffer.clear(f, channels)
        f.nest({"set": tiles.sets, "row": where.rows}, lambda s, i: window_rows(s, i, 0, 0, whole, True))
        return

    def windows_of_set(s: Index) -> None:
        """Emit each row of positions: it stores its last `step` rows of the buffer and adds to the others."""
        window_rows(s, 0, 0, 0, whole, False)
        if where.rows == 1:
            return

        def further(i: Index, _: list[Value]) -> None:
            if whole > step[0]:
                window_rows(s, i, 1, 0, whole - step[0], True)
            window_rows(s, i, 1, whole - step[0], step[0], False)

        f.loop(where.rows - 1, further, name="row")

    f.nest({"set": tiles.sets}, windows_of_set)


def emit_group_errors(f: Function, tiles: Tiles, channels: Sequence[str], patterns: Value) -> None:
    """Emit what `emit_errors` emits, for this number of patterns of a group, into buffers that were cleared.

    A part of the weights stays in the cache while all positions of all patterns pass by. For each number of the buffer,
    the terms come in the order of `emit_errors`.
    """
    where = tiles.buffer.layout
    adds = isinstance(tiles.buffer, WindowBuffer)
    strips = _strips(f, tiles, len(channels))

    def window_row(s: Index, n: Index) -> None:
        """Emit the n-th row of the windows from the last one on: it gets terms from lower rows of positions."""
        k = f.op("sub", f.integer(where.kernel_rows - 1), n) if isinstance(n, Value) else n
        for strip in strips:
            f.nest(
                {"pattern": patterns, "row": where.rows, "positions": strip.blocks},
                lambda p, i, b, strip=strip: _emit_strip(f, tiles, channels, strip, (p, s, i, b, k), (0, 0), adds),
                ("pattern",),
            )

    f.nest({"set": tiles.sets, "window": where.kernel_rows}, window_row)


@dataclass(frozen=True)
class _Strip:
    """Neighbouring positions of a row whose sums share registers, with a part of the vectors of their windows.

    There are `blocks` times `positions` positions from `start` on, with `hop` from one block to the next.
    """

    start: int
    positions: int
    blocks: int
    hop: int
    first_vector: int
    vectors: int


def _strips(f: Function, tiles: Tiles, channels: int) -> list[_Strip]:
    lanes, where = f.machine.lanes, tiles.buffer.layout
    room = f.machine.registers * 3 // 4 // channels
    served = min(where.columns, _MOST_SERVED) if where.vectors > _LONG else 1
    chunk = min(where.vectors, max(1, room // served))
    at_once = 1
    while at_once < min(where.columns, _MOST_UNROLLED):
        if _sums_of_strip(where.column_step, lanes, at_once + 1, chunk) > room:
            break
        at_once += 1
    at_once = _whole_periods(at_once, _period(where.column_step, lanes))
    strips = []
    for v0, _, vectors in _each(blocks(where.vectors, chunk)):
        for j0, count, positions in blocks(where.columns, at_once):
            period = _period(positions * where.column_step, lanes)  # strips, until one lies in its vectors as the first
            for first, times, size in blocks(count, period):
                strips += [
                    _Strip(j0 + s * positions, positions, times, size * positions, v0, vectors)
                    for s in range(first, first + size)
                ]
    return strips


def _period(step: int, lanes: int) -> int:
    """Return the number of steps after which a step starts at the start of a vector again."""
    return lanes // gcd(lanes, step) if step else 1


def _whole_periods(count: int, period: int) -> int:
    return count - count % period if count > period else count


def _sums_of_strip(column_step: int, lanes: int, positions: int, vectors: int) -> int:
    """Return how many registers the sums of this many positions take, from the first on."""
    return len(
        {((p * column_step) % lanes, (p * column_step) // lanes + v) for p in range(positions) for v in range(vectors)}
    )


def _each(parts: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Return the blocks one by one."""
    return [(first + b * size, 1, size) for first, count, size in parts for b in range(count)]


def _emit_strip(
    f: Function,
    tiles: Tiles,
    channels: Sequence[str],
    strip: _Strip,
    at: tuple[Index, Index, Index, Index, Index],
    origin: tuple[int, int],
    adds: bool,
) -> None:
    """Emit one row of the windows of a strip: sums over all target maps, then into the buffer.

    `at`: pattern, set, row of positions, block of the strip, row of the window; the rows count from `origin`.
    The rows of different positions lie `column_step` apart, in general not whole vectors. Sums of the same phase share
    registers. Sums of other phases are shifted into place at the end, so that the buffer sees whole aligned vectors
    only.
    """
    pattern, s, i, b, k = at
    i0, k0 = origin
    j, positions, v0, vectors = strip.start, strip.positions, strip.first_vector, strip.vectors
    lanes = f.machine.lanes
    where, maps, pitch = tiles.buffer.layout, tiles.target.maps, tiles.cells.block.pitch
    reach = [(p, *divmod((j + p) * where.column_step, lanes)) for p in range(positions)]
    keys = sorted({(phase, q + v0 + v) for _, q, phase in reach for v in range(vectors)})
    slot = {key: n for n, key in enumerate(keys)}
    start = {
        c: tiles.units(tiles.target.delta[c].by(pattern, pitch), s, i, j, 0).by(b, strip.hop * maps)
        + i0 * where.columns * maps
        for c in channels
    }
    weights = tiles.weights(s, i, j, 0).by(k, tiles.row) + k0 * tiles.row + v0 * lanes

    count = len(keys) * len(channels)
    copies = 2 if count <= f.machine.registers // 3 and tiles.targets > 1 else 1  # short chains of sums

    def target(t: Index, sums: list[Value], copy: int) -> list[Value]:
        sums = list(sums)
        w = {1: [f.load(weights.by(t, tiles.unit) + v * lanes) for v in range(vectors)]}
        if any(POWER[c] == 2 for c in channels):
            w[2] = [value * value for value in w[1]]
        for n, c in enumerate(channels):
            for p, q, phase in reach:
                d = f.broadcast(start[c].by(t, 1) + p * maps)
                for v in range(vectors):
                    at_sum = copy * count + n * len(keys) + slot[phase, q + v0 + v]
                    sums[at_sum] = f.fma(d, w[POWER[c]][v], sums[at_sum])
        return sums

    sums = _unrolled(f, tiles.targets, 4, target, [f.zero] * (copies * count), copies)
    if copies == 2:
        sums = [a + b for a, b in zip(sums[:count], sums[count:])]
    for n, c in enumerate(channels):
        row = tiles.buffer.back[c].by(pattern, pitch).by(s, tiles.set_stride).by(i, where.row_step).by(k, where.pitch)
        row = row.by(b, strip.hop * where.column_step) + i0 * where.row_step + k0 * where.pitch
        for q, total in _in_place(f, keys, sums[n * len(keys) : (n + 1) * len(keys)]):
            place = row + q * lanes
            f.store(f.load(place) + total if adds else total, place)


def _in_place(f: Function, keys: list[tuple[int, int]], sums: Sequence[Value]) -> list[tuple[int, Value]]:
    """Return the sums as whole vectors of the row: those of phase p are shifted up by p lanes."""
    lanes = f.machine.lanes
    by_vector: dict[int, Value] = {}
    value = dict(zip(keys, sums))
    for phase in sorted({p for p, _ in keys}):
        of_phase = {q for p, q in keys if p == phase}
        for q in sorted(of_phase if phase == 0 else of_phase | {q + 1 for q in of_phase}):
            if phase == 0:
                shifted = value[phase, q]
            else:
                low, high = value.get((phase, q - 1), f.zero), value.get((phase, q), f.zero)
                shifted = f.shuffle(low, high, [lanes - phase + k for k in range(lanes)])
            by_vector[q] = by_vector[q] + shifted if q in by_vector else shifted
    return sorted(by_vector.items())


def _unrolled(
    f: Function,
    count: int,
    by: int,
    body: Callable[[Index, list[Value], int], list[Value]],
    carried: list[Value],
    copies: int,
) -> list[Value]:
    """Emit `body(index, values, which copy)` for 0 ... count - 1, `by` at a time."""
    if f.machine.in_order and copies == 1:
        return f.turns(1, count, lambda b, values: body(b, values, 0), body(0, carried, 0), "map")
    for first, times, size in blocks(count, by):

        def several(b: Index, values: list[Value], first: int = first, size: int = size) -> list[Value]:
            for k in range(size):
                index = (
                    first + k
                    if isinstance(b, int)
                    else f.op("add", f.op("mul", b, Value(f, str(size), "i64")), Value(f, str(first + k), "i64"))
                )
                values = f.in_order(body(index, values, k % copies))
            return values

        carried = f.loop(times, several, carried, "map")
    return carried


def emit_gradient(
    f: Function, tiles: Tiles, channels: Sequence[str], update: WeightUpdate, patterns: Value | None = None
) -> None:
    """Emit for every weight the sum over the positions of error times state, and its update.

    With `patterns`, it is the sum over the positions of this number of patterns of a group.
    """
    where = tiles.layout
    if isinstance(tiles.buffer, PoolBuffer) and any(POWER[c] == 2 for c in channels):
        tiles.buffer.fill_squares(f)
    sums = max(1, f.machine.registers * 3 // 4 // len(channels))
    at_once = min(where.vectors, max(isqrt(sums), sums // tiles.targets))
    masks = tiles.cells.masks(where.vectors)
    for t0, target_blocks, targets in blocks(tiles.targets, even_size(tiles.targets, sums // at_once)):
        for v0, times, vectors in even_chunks(masks, even_size(where.vectors, at_once)):
            # The states of a few vectors stay in the cache while all target maps pass by.
            counts = {"set": tiles.sets, "window": where.kernel_rows, "inputs": times, "maps": target_blocks}
            block = _GradientBlock(f, tiles, channels, update, t0, targets, v0, masks[v0 : v0 + vectors])
            f.nest(counts, partial(block.emit, patterns), tuple(counts))


@dataclass(frozen=True)
class _GradientBlock:
    """The weights of `targets` maps from t0 on, with a few vectors of a row of the window: `masks`, from v0 on."""

    f: Function
    tiles: Tiles
    channels: Sequence[str]
    update: WeightUpdate
    t0: int
    targets: int
    v0: int
    masks: list[LaneMask]

    def emit(self, patterns: Value | None, s: Index, k: Index, b: Index, tb: Index) -> None:
        """Emit the sums and the updates of row k of the window in set s, b and tb such blocks further on."""
        f, tiles, update, lanes = self.f, self.tiles, self.update, self.f.machine.lanes
        vectors, where, pitch = len(self.masks), tiles.layout, tiles.cells.block.pitch
        start = self.v0 * lanes

        def rows(pattern: Index, sums: list[Value]) -> list[Value]:
            return f.loop(where.rows, lambda i, now: row(pattern, i, now), sums, "row")

        def row(pattern: Index, i: Index, sums: list[Value]) -> list[Value]:
            most = min(_MOST_UNROLLED, 4 if where.columns > 8 else 8)
            if f.machine.in_order and sums[0].text != f.zero.text:  # -0.0 stays what it is: no sum starts with 0
                most = 1
            for j0, strips, positions in blocks(where.columns, most):

                def strip(jb: Index, now: list[Value], j0: int = j0, positions: int = positions) -> list[Value]:
                    window = tiles.window(tiles.x, s, i, j0, where).by(jb, positions * where.column_step)
                    window = window.by(k, where.pitch).by(b, vectors * lanes).by(pattern, pitch) + start
                    units = {}
                    for c in self.channels:
                        unit = tiles.units(tiles.target.delta[c], s, i, j0, self.t0)
                        unit = unit.by(jb, positions * tiles.unit_step).by(tb, self.targets)
                        units[c] = unit.by(pattern, pitch)
                    return self._add_positions(positions, window, units, now)

                sums = f.loop(strips, strip, sums, "positions")
            return sums

        first = tiles.weights(s, 0, 0, self.t0).by(tb, self.targets * tiles.unit).by(k, tiles.row)
        first = first.by(b, vectors * lanes) + start
        places = [first + (t * tiles.unit + v * lanes) for t in range(self.targets) for v in range(vectors)]
        if update.sums is not None:  # those of the next maps come from far
            begin = [f.load(update.sums(c, place)) for c in self.channels for place in places]
            for c in self.channels:
                for place in places:
                    f.prefetch(update.sums(c, place + self.targets * tiles.unit))
        else:
            begin = [f.zero] * (len(places) * len(self.channels))
            if tiles.patterns is not None:
                for place in places:
                    f.prefetch(place)
        sums = rows(0, begin) if patterns is None else f.loop(patterns, rows, begin, "pattern")
        for number, place in enumerate(places):
            totals = {c: sums[n * len(places) + number] for n, c in enumerate(self.channels)}
            update.apply(place, totals, self.masks[number % vectors].truth(f, place))

    def _add_positions(
        self, positions: int, window: Address, units: Mapping[str, Address], sums: list[Value]
    ) -> list[Value]:
        """Add neighbouring positions to the sums, which are numbered (channel * targets + map) * vectors + vector."""
        f, tiles, lanes, step = self.f, self.tiles, self.f.machine.lanes, self.tiles.layout.column_step
        vectors, squares = len(self.masks), any(POWER[c] == 2 for c in self.channels)
        sums = list(sums)
        for p in range(positions):
            x = {1: [f.load(window + p * step + v * lanes) for v in range(vectors)]}
            if isinstance(tiles.buffer, PoolBuffer):  # the sum of squares is not the square of the sum
                pool = window + (tiles.buffer.squares.offset - tiles.buffer.x.offset)
                x[2] = [f.load(pool + p * step + v * lanes) for v in range(vectors)] if squares else []
            elif squares:
                x[2] = [value * value for value in x[1]]
            for n, c in enumerate(self.channels):
                for t in range(self.targets):
                    d = f.broadcast(units[c] + p * tiles.unit_step + t)
                    for v in range(vectors):
                        at = (n * self.targets + t) * vectors + v
                        sums[at] = f.fma(d, x[POWER[c]][v], sums[at])
            sums = f.in_order(sums)
        return sums
