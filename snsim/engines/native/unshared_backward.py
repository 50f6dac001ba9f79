"""The backward pass where each unit has its own weights: dense layers and local windows (layout: dot_tiles.py).

It reads the errors of the target. One sweep over the weights emits the errors of the source and the update of each
weight, which is error times state with nothing summed, so each weight is loaded once. The errors are computed before
the weight changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from snsim.engines.native.dot_tiles import Tiles
from snsim.engines.native.im2col import DirectBuffer
from snsim.engines.native.layout import POWER, LaneMask, blocks, even_size
from snsim.engines.native.llvm_ir import Function, Index, Value
from snsim.engines.native.target import Address
from snsim.engines.native.update_rules import WeightUpdate


def emit_unshared_backward(
    f: Function, tiles: Tiles, channels: Sequence[str], errors: bool, first: bool, update: WeightUpdate | None
) -> None:
    """Emit errors of the source and updates of the weights.

    `errors`: whether the source wants its errors. `first`: nothing has arrived there yet. `update`: None if the weights
    do not change.
    """
    where, lanes = tiles.layout, f.machine.lanes
    registers = f.machine.registers - 6
    chunk = even_size(where.vectors, max(1, registers // (2 * len(channels))))
    masks = tiles.cells.masks(where.vectors)
    store = first or not isinstance(tiles.buffer, DirectBuffer)
    for v0, times, vectors in even_chunks(masks, chunk):

        def at(s: Index, i: Index, b: Index, v0: int = v0, vectors: int = vectors) -> None:
            def inputs(row: Address) -> Address:
                """Move the address of a row of inputs or weights to this chunk."""
                return (row + v0 * lanes).by(b, vectors * lanes)

            _emit_chunk(f, tiles, channels, (s, i), inputs, errors, store, update, masks[v0 : v0 + vectors])

        f.nest({"set": tiles.sets, "position": where.positions, "inputs": times}, at)


def even_chunks(masks: Sequence[LaneMask], chunk: int) -> list[tuple[int, int, int]]:
    """Return chunks of the vectors of a row: (first, times, size).

    The last vector, whose lanes may be masked, is in a chunk that is not part of a loop. If masks differ from vector to
    vector, no chunk is part of a loop.
    """
    vectors, even = len(masks), all(mask.lanes is not None and all(mask.lanes) for mask in masks[:-1])
    chunks = []
    for first, times, size in blocks(vectors, chunk):
        if not even:
            chunks += [(first + k * size, 1, size) for k in range(times)]
        elif first + times * size == vectors and times > 1:
            chunks += [(first, times - 1, size), (first + (times - 1) * size, 1, size)]
        else:
            chunks.append((first, times, size))
    return chunks


def _emit_chunk(
    f: Function,
    tiles: Tiles,
    channels: Sequence[str],
    at: tuple[Index, Index],
    inputs: Callable[[Address], Address],
    errors: bool,
    store: bool,
    update: WeightUpdate | None,
    masks: list[LaneMask],
) -> None:
    s, i = at  # set, position: positions are evenly spaced in these buffers
    lanes, vectors = f.machine.lanes, len(masks)
    squares = any(POWER[c] == 2 for c in channels)

    def window(place: Address) -> Address:
        return inputs(tiles.window(place, s, 0, i, tiles.layout))

    x: dict[int, list[Value]] = {}
    if update is not None:
        x[1] = [f.load(window(tiles.buffer.x) + v * lanes) for v in range(vectors)]
        x[2] = [value * value for value in x[1]] if squares else []

    def target(t: Index, sums: list[Value]) -> list[Value]:
        """Return the sums, if any, numbered channel * vectors + vector."""
        sums = list(sums)
        d = {c: f.broadcast(tiles.units(tiles.target.delta[c], s, 0, i, t)) for c in channels}
        steps = {} if update is None else {c: update.scaled(c, d[c]) for c in channels}
        for v in range(vectors):
            place = inputs(tiles.weights(s, 0, i, t)) + v * lanes
            w = f.load(place)
            if errors:
                squared = w * w if squares else w
                for n, c in enumerate(channels):
                    k = n * vectors + v
                    sums[k] = f.fma(d[c], w if POWER[c] == 1 else squared, sums[k])
            if update is not None:
                gathered = {c: f.op("fmul", steps[c], x[POWER[c]][v], "contract") for c in channels}
                update.emit(place, gathered, masks[v].truth(f, place), w)
        return sums

    start = [f.zero] * (vectors * len(channels)) if errors else []
    sums = f.loop(tiles.targets, target, start, "unit")
    for k, total in enumerate(sums):
        n, v = divmod(k, vectors)
        f.put(total, window(tiles.buffer.back[channels[n]]) + v * lanes, store)
