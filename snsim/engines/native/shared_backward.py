"""The backward pass of windows with weights shared by all positions (see dot_tiles.py for the layout).

It reads the errors of the target and emits the errors of the source into its buffer, and the gradient of each weight,
summed over the positions in registers and passed to the update at once. Channels of power 2 carry curvature: the same
loops with w^2 and x^2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import gcd

from snsim.engines.native.dot_tiles import Tiles
from snsim.engines.native.im2col import PoolBuffer, WindowBuffer
from snsim.engines.native.layout import POWER, LaneMask, blocks
from snsim.engines.native.llvm_ir import Function, Index, Value
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
                lambda b, k, strip=strip: _emit_strip(f, tiles, channels, strip, (s, i, b, k), (i0, k0), adds),
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
    at: tuple[Index, Index, Index, Index],
    origin: tuple[int, int],
    adds: bool,
) -> None:
    """Emit one row of the windows of a strip: sums over all target maps, then into the buffer.

    `at`: set, row of positions, block of the strip, row of the window; the rows count from `origin`. The rows of
    different positions lie `column_step` apart, in general not whole vectors. Sums of the same phase share registers.
    Sums of other phases are shifted into place at the end, so that the buffer sees whole aligned vectors only.
    """
    s, i, b, k = at
    i0, k0 = origin
    j, positions, v0, vectors = strip.start, strip.positions, strip.first_vector, strip.vectors
    lanes = f.machine.lanes
    where, maps = tiles.buffer.layout, tiles.target.maps
    reach = [(p, *divmod((j + p) * where.column_step, lanes)) for p in range(positions)]
    keys = sorted({(phase, q + v0 + v) for _, q, phase in reach for v in range(vectors)})
    slot = {key: n for n, key in enumerate(keys)}
    start = {
        c: tiles.units(tiles.target.delta[c], s, i, j, 0).by(b, strip.hop * maps) + i0 * where.columns * maps
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
        row = tiles.buffer.back[c].by(s, tiles.set_stride).by(i, where.row_step).by(k, where.pitch)
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

    With `patterns`, it is the sum over the positions of this number of patterns of a group, from the first one of
    the update.
    """
    where = tiles.layout
    if isinstance(tiles.buffer, PoolBuffer) and any(POWER[c] == 2 for c in channels):
        tiles.buffer.fill_squares(f)
    masks = tiles.cells.masks(where.vectors)
    room = f.machine.registers // 2 // len(channels)
    chunk = min(where.vectors, max(1, room // 2))
    targets_at_once = max(
        1,
        min(
            4 if f.machine.registers > 16 else 2, f.machine.registers * 3 // 4 // len(channels) // chunk, tiles.targets
        ),
    )
    for t0, target_blocks, targets in blocks(tiles.targets, targets_at_once):
        for v0, _, vectors in _each(blocks(where.vectors, chunk)):

            def block(
                s: Index,
                tb: Index,
                k: Index,
                t0: int = t0,
                targets: int = targets,
                v0: int = v0,
                vectors: int = vectors,
            ) -> None:
                _emit_block(f, tiles, channels, update, patterns, (s, tb, k), t0, targets, v0, vectors, masks)

            counts = {"set": tiles.sets, "maps": target_blocks, "window": where.kernel_rows}
            f.nest(counts, block, tuple(counts))


def _emit_block(
    f: Function,
    tiles: Tiles,
    channels: Sequence[str],
    update: WeightUpdate,
    patterns: Value | None,
    at: tuple[Index, Index, Index],
    t0: int,
    targets: int,
    v0: int,
    vectors: int,
    masks: list[LaneMask],
) -> None:
    s, tb, k = at
    squares = any(POWER[c] == 2 for c in channels)
    where, lanes, maps, pitch = tiles.layout, f.machine.lanes, tiles.target.maps, tiles.cells.block.pitch

    def positions_from(pattern: Index, i: Index, jb: Index, j0: int, positions: int, sums: list[Value]) -> list[Value]:
        """Return the sums, numbered (channel * targets + map) * vectors + vector."""
        sums = list(sums)
        window = tiles.window(tiles.buffer.x, s, i, j0, where).by(jb, positions * where.column_step)
        window = window.by(k, where.pitch).by(pattern, pitch) + v0 * lanes
        for p in range(positions):
            x = {1: [f.load(window + p * where.column_step + v * lanes) for v in range(vectors)]}
            if isinstance(tiles.buffer, PoolBuffer):  # the sum of squares is not the square of the sum
                pool = window + (tiles.buffer.squares.offset - tiles.buffer.x.offset)
                x[2] = [f.load(pool + p * where.column_step + v * lanes) for v in range(vectors)] if squares else []
            elif squares:
                x[2] = [value * value for value in x[1]]
            for n, c in enumerate(channels):
                units = tiles.units(tiles.target.delta[c], s, i, j0, t0).by(jb, positions * maps).by(tb, targets)
                units = units.by(pattern, pitch)
                for t in range(targets):
                    d = f.broadcast(units + p * maps + t)
                    for v in range(vectors):
                        at_sum = (n * targets + t) * vectors + v
                        sums[at_sum] = f.fma(d, x[POWER[c]][v], sums[at_sum])
            sums = f.in_order(sums)
        return sums

    def row(pattern: Index, i: Index, sums: list[Value]) -> list[Value]:
        most = min(_MOST_UNROLLED, 4 if where.columns > 8 else 8)
        if f.machine.in_order and sums[0].text != f.zero.text:  # -0.0 stays what it is: no sum starts with 0
            most = 1
        for j0, strips, positions in blocks(where.columns, most):

            def strip(jb: Index, now: list[Value], j0: int = j0, positions: int = positions) -> list[Value]:
                return positions_from(pattern, i, jb, j0, positions, now)

            sums = f.loop(strips, strip, sums, "positions")
        return sums

    def rows(pattern: Index, sums: list[Value]) -> list[Value]:
        return f.loop(where.rows, lambda i, now: row(pattern, i, now), sums, "row")

    first = tiles.weights(s, 0, 0, t0).by(tb, targets * tiles.unit).by(k, tiles.row) + v0 * lanes
    places = [first + (t * tiles.unit + v * lanes) for t in range(targets) for v in range(vectors)]
    if patterns is None:
        sums = rows(0, [f.zero] * (len(places) * len(channels)))
    else:
        sums = f.loop(patterns, rows, [update.start(c, place) for c in channels for place in places], "pattern")
    for number, place in enumerate(places):
        totals = {c: sums[n * len(places) + number] for n, c in enumerate(channels)}
        update.apply(place, totals, masks[v0 + number % vectors].truth(f, place))
