"""Weights that serve one position of every pattern: dense layers, local windows, windows with one position.

The layout is that of dot_tiles.py. A tile of patterns stays in registers, so that each loaded weight serves several
patterns: in the sums (dot_tiles.py) and the gradient (shared_backward.py) with the patterns as positions, and in the
errors of the source. Every sum has the same order for any number of patterns in a group.

The patterns of a group are rounded up to whole tiles. What is computed for a pattern too many is never read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from snsim.engines.native.dot_tiles import PatternGroup, Tiles, emit_sums
from snsim.engines.native.im2col import DirectBuffer, PoolBuffer
from snsim.engines.native.layout import POWER, blocks, even_size
from snsim.engines.native.llvm_ir import Function, Index, Value
from snsim.engines.native.shared_backward import emit_gradient
from snsim.engines.native.update_rules import WeightUpdate

_TILE = 4  # patterns, or target units, that share the vectors in registers
_TARGETS = 128  # units whose errors are summed in registers: their weights in a few columns fit into the cache


def serves_patterns(tiles: Tiles) -> bool:
    """Return whether each weight serves one position of every pattern."""
    one = tiles.unshared or tiles.layout.rows == tiles.layout.columns == 1
    return one and not isinstance(tiles.buffer, PoolBuffer)


def _each_position(f: Function, tiles: Tiles, emit: Callable[[Tiles], None]) -> None:
    f.loop(tiles.positions, lambda n, _: emit(replace(tiles, position=n)), name="position")


def _groups(f: Function, tiles: Tiles) -> tuple[Index, int]:
    """Return how many tiles of patterns there are, and the patterns of each."""
    size = min(_TILE, tiles.cells.block.patterns)
    patterns = f.argument("patterns", "i64")
    return (patterns if size == 1 else f.divided_up(patterns, f.integer(size))), size


def emit_pattern_sums(f: Function, tiles: Tiles, first: bool) -> None:
    """Emit the sums of the target for all patterns: stored if this is the first link, else added."""
    group = PatternGroup(*_groups(f, tiles))
    _each_position(f, tiles, lambda at: emit_sums(f, at.over(group), first))


def _vectors_of_tile(f: Function, tiles: Tiles, channels: Sequence[str]) -> int:
    """Return how many vectors of a row fill, times a tile of patterns or targets, three quarters of the registers."""
    return even_size(tiles.layout.vectors, max(1, f.machine.registers * 3 // 4 // (_TILE * len(channels))))


def emit_pattern_errors(f: Function, tiles: Tiles, channels: Sequence[str], first: bool) -> None:
    """Emit the errors that all patterns send into `buffer.back`: stored or, in a layer that has errors, added."""
    _each_position(f, tiles, lambda at: _emit_errors(f, at, channels, first))


def _emit_errors(f: Function, tiles: Tiles, channels: Sequence[str], first: bool) -> None:
    lanes, where, pitch = f.machine.lanes, tiles.buffer.layout, tiles.cells.block.pitch
    groups, size = _groups(f, tiles)
    store = first or not isinstance(tiles.buffer, DirectBuffer)
    squares = any(POWER[c] == 2 for c in channels)

    def tile(t0: int, targets: int, v0: int, vectors: int, at: tuple[Index, Index, Index, Index, Index]) -> None:
        tb, s, k, b, group = at

        def target(t: Index, sums: list[Value]) -> list[Value]:
            """Return the sums, numbered (channel * patterns + pattern) * vectors + vector."""
            place = tiles.weights(s, 0, 0, t0).by(tb, targets * tiles.unit).by(t, tiles.unit).by(k, tiles.row)
            w = {1: [f.load(place.by(b, vectors * lanes) + (v0 + v) * lanes) for v in range(vectors)]}
            w[2] = [value * value for value in w[1]] if squares else []
            totals = []
            for n, c in enumerate(channels):
                unit = tiles.units(tiles.target.delta[c], s, 0, 0, t0).by(tb, targets).by(t, 1)
                for p in range(size):
                    d = f.broadcast(unit.by(group, size * pitch) + p * pitch)
                    for v in range(vectors):
                        totals.append(f.fma(d, w[POWER[c]][v], sums[(n * size + p) * vectors + v]))
            return totals

        places = [
            tiles.back(c).by(s, tiles.set_stride).by(k, where.pitch).by(b, vectors * lanes).by(group, size * pitch)
            + (p * pitch + (v0 + v) * lanes)
            for c in channels
            for p in range(size)
            for v in range(vectors)
        ]
        start = [f.load(place) if t0 or isinstance(tb, Value) else f.zero for place in places]
        for total, place in zip(f.loop(targets, target, start, "unit"), places):
            f.store(total if store else total + f.load(place), place)

    at_once = _TARGETS if store else tiles.targets
    parts = blocks(tiles.targets, min(at_once, tiles.targets))
    if len(parts) > 1 or parts[0][1] > 1:  # the first block stores, the others add
        parts = [(0, 1, at_once), *((at_once, times - 1, n) for _, times, n in parts[:1] if times > 1), *parts[1:]]
    for t0, times, targets in parts:
        for v0, chunks, vectors in blocks(where.vectors, _vectors_of_tile(f, tiles, channels)):
            counts = {"units": times, "set": tiles.sets, "window": where.kernel_rows, "inputs": chunks}
            f.nest(
                {**counts, "patterns": groups},
                lambda *at, t0=t0, targets=targets, v0=v0, vectors=vectors: tile(t0, targets, v0, vectors, at),
                ("inputs", "patterns"),
            )


def emit_pattern_gradient(f: Function, tiles: Tiles, channels: Sequence[str], update: WeightUpdate) -> None:
    """Emit for every weight the sum over the patterns of error times state, and pass it to the update."""
    group = PatternGroup(f.argument("patterns", "i64"), 1)
    _each_position(f, tiles, lambda at: emit_gradient(f, at.over(group), channels, update))
