"""Estimate the memory that an engine needs for a net, from counts alone.

The factors were measured as peaks of `snsim run` for nets of 10^5 to 4*10^7 weights. For nets above 10^6 weights an
estimate is within about 0.8 to 1.5 times the peak; `tests/test_memory.py` checks this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np

from snsim.engines.folding import fold_rule
from snsim.engines.protocol import UpdateRule
from snsim.network.net import Connection, Net
from snsim.network.wiring import Attention, Dense, Frames, Windows

NO_RULE = UpdateRule("none", (), (), ())
_INDEX, _TABLE = 8, 24  # bytes of an index, and of a connection in an explicit table
_VECTOR = 16  # numbers in the widest vector of the native engine
_GROUP = 4, 64  # the least and the most patterns in memory at once
_GROUP_BYTES = 5 << 19  # that the cells of these patterns take, unless weights take more
_COPIES = 1 << 26  # bytes of the copies of the block for further threads, unless the block has more


@dataclass(frozen=True, eq=False)
class Workload:
    """What an engine will have to do.

    `bytes_a_number` is 4 or 8. `constants` are those of `engines.build`. `batched`: an update follows several patterns.
    `holds_curvature`: the curvature is estimated before a pass and kept. `together`: the largest number of patterns
    evaluated at once, 1 if it is not known. `threads`: those of the native engine.
    """

    net: Net
    rule: UpdateRule = NO_RULE
    bytes_a_number: int = 4
    constants: Mapping[str, float] = field(default_factory=dict)
    batched: bool = False
    holds_curvature: bool = False
    together: int = 1
    threads: int = 1

    @property
    def weights(self) -> int:
        return count_weights(self.net)

    @property
    def units(self) -> int:
        return self.net.counts.units


@dataclass(frozen=True)
class MemoryNeed:
    """The memory of an engine in bytes.

    `base`: the process with its packages. `resident`: all that the engine keeps. On top of that, one at a time:
    `making` the engine, `working` (learning and evaluation), `copied` (`parameters()` with `state()`).
    """

    base: int
    resident: int
    making: int
    working: int
    copied: int


MemoryEstimate = Callable[[Workload], MemoryNeed]


def native_memory(work: Workload) -> MemoryNeed:
    """Estimate the memory of the native engine.

    It keeps one block of numbers: weights with their states and sums, and for each pattern of a group layers and copies
    for windows. Groups that threads compute together have cells of their own. Each further thread has a copy of the
    block.
    """
    b, n, rule = work.bytes_a_number, work.weights, work.rule
    kept = fold_rule(rule, work.constants).keys() - {"w"} if rule.assignments else set(rule.states)
    states = len(kept)
    sums = 1 + (rule.curvature is not None)
    beside = (
        1 + states + (sums if work.batched else 0) + (3 if work.holds_curvature else 0) + (4 if rule.conjugate else 0)
    )
    cells = n + sum(_padding(c) for c in work.net.connections)
    normed = sum(c.wiring.weights for c in work.net.connections if c.weight_norm)
    of_pattern = (
        8 * b * work.units + sum(_buffers(c, work.net) * 4 * b for c in work.net.connections) + _attention(work.net) * b
    )
    least, most = (patterns * of_pattern for patterns in _GROUP)
    group = min(most, max(least, _GROUP_BYTES, 2 * b * _served(work.net)))
    together = min(most, work.threads * group) if work.batched and work.threads > 1 else 0
    resident = cells * (4 + b * beside) + normed * b * (1 + sums) + 3 * _INDEX * work.units + group + together
    resident += min((work.threads - 1) * resident, max(_COPIES, resident))
    resident += sum(c.wiring.connections * (_TABLE + 8) for c in work.net.connections if c.wiring.structure is None)
    largest = max((c.wiring.weights for c in work.net.connections), default=0)
    return MemoryNeed(
        130_000_000,
        resident,
        8 * largest,
        (6 * b if work.holds_curvature or rule.conjugate else 0) * n,
        b * n * (1 + states),
    )


def _served(net: Net) -> int:
    """Return the number of weights of full connections, each of which serves a whole group of patterns."""
    return sum(c.wiring.weights for c in net.connections if isinstance(c.wiring.structure, Dense))


def reference_memory(work: Workload) -> MemoryNeed:
    """Estimate the memory of the reference engine.

    It keeps explicit tables of connections, sorted for sums: many bytes per connection.
    """
    b, n, states = work.bytes_a_number, work.weights, len(work.rule.states)
    resident = making = width = 0
    for c in work.net.connections:
        count, shared = c.wiring.connections, _is_shared(c)
        units = work.net.layer(c.target).units
        resident += count * (_TABLE if shared else _TABLE + 7 * _INDEX) + units * (100 if shared else 400)
        making = max(making, count * 4 * _INDEX)
        width += count if not shared else c.wiring.connections // max(1, _blocks(c))
    resident += b * n * (1 + states) + work.units * (4 * b + 2 * _INDEX)
    normed = sum(c.wiring.weights for c in work.net.connections if c.weight_norm)
    return MemoryNeed(
        60_000_000, resident + normed * (b + _INDEX), making, 2 * b * width + 6 * b * n, b * n * (1 + states)
    )


def torch_memory(work: Workload) -> MemoryNeed:
    """Estimate the memory of the torch engine.

    It keeps the tensors of the module, their copies for the curvature, and what autograd stores for the patterns of one
    batch.
    """
    b, n, rule = work.bytes_a_number, work.weights, work.rule
    states, together = len(rule.states), min(work.together, 1024)
    indices = expanded = unshared = 0
    for c in work.net.connections:
        structure, count = c.wiring.structure, c.wiring.connections
        if c.weight_norm:
            indices += 2 * c.wiring.weights * _INDEX
        if structure is None or c.distance:
            indices += count * (_TABLE + 2 * 3 * _INDEX)
            expanded += 2 * count
        elif isinstance(structure, Windows) and structure.sharing == "unit":
            expanded += 2 * count
            unshared += count
        elif isinstance(structure, Windows):
            indices += 2 * structure.maps.size * prod(structure.window) * _INDEX
            expanded += _buffers(c, work.net)
        elif not isinstance(structure, Dense):
            expanded += 2 * _buffers(c, work.net)
    resident = b * n * (2 + states) + indices + work.units * 2 * _INDEX
    curved = rule.curvature is not None
    updating = b * (n * (4 + 2 * states + (3 if curved else 0)) + 8 * unshared)
    together_bytes = together * b * (expanded + 2 * work.units + _attention(work.net))
    return MemoryNeed(260_000_000, resident, b * n, max(updating, together_bytes), b * n * (1 + states))


def count_weights(net: Net) -> int:
    """Return how many numbers all parameters have, fixed ones included."""
    owners = [c for c in net.connections if c.weights_of is None]
    return sum(c.wiring.weights + (c.wiring.owner_count if c.weight_norm else 0) for c in owners) + sum(
        prod(layer.bias_shape) for layer in net.layers if layer.bias != "none"
    )


# ---- Counts of connections ---------------------------------------------------------------------------------------


def _is_shared(c: Connection) -> bool:
    """Return whether units share weights, so that the reference engine keeps one row for several units."""
    structure = c.wiring.structure
    return not (
        structure is None
        or isinstance(structure, Dense)
        or (isinstance(structure, Windows) and structure.sharing == "unit")
    )


def _blocks(c: Connection) -> int:
    """Return about how many target maps (or traits) read the same sources, for shared weights."""
    structure = c.wiring.structure
    assert isinstance(structure, (Windows, Frames))
    return (
        structure.target[0] // len(_source_sets(structure)) if isinstance(structure, Windows) else structure.target[1]
    )


def _source_sets(windows: Windows) -> set[bytes]:
    """Return the distinct sets of source maps that target maps read."""
    return {column.tobytes() for column in np.packbits(windows.maps, axis=0).T}


def _padding(c: Connection) -> int:
    """Return the cells of the native engine that hold no weight.

    They stand for absent pairs of maps and fill up the ends of rows.
    """
    structure = c.wiring.structure
    if isinstance(structure, Dense):
        return structure.targets * (-structure.sources % _VECTOR)
    if not isinstance(structure, Windows) or structure.sharing == "pair":
        return 0
    pairs, counts = int(structure.maps.sum()), structure.maps.sum(axis=0)
    even = len(set(counts.tolist())) == 1 and structure.target[0] % len(_source_sets(structure)) == 0
    windows = structure.target[0] * (structure.target[1] * structure.target[2] if structure.sharing == "unit" else 1)
    row = prod(structure.window) * (int(counts.max()) if even else structure.source[0])
    whole = windows * (row + -row % _VECTOR)
    own = pairs * (structure.target[1] * structure.target[2] if structure.sharing == "unit" else 1)
    return max(0, whole - own * prod(structure.window))


def _buffers(c: Connection, net: Net) -> int:
    """Return how many numbers the copy of the source layer for windows has."""
    structure = c.wiring.structure
    if isinstance(structure, Dense) or structure is None:
        return 0
    if isinstance(structure, Windows):
        positions = structure.target[1] * structure.target[2]
        row = structure.window[1] * structure.source[0]
        if structure.sharing != "map" or row < _VECTOR:
            return positions * prod(structure.window) * structure.source[0]
        return (
            len(_source_sets(structure))
            * prod(
                (count - 1) * step + window
                for count, step, window in zip(structure.target[1:], structure.step, structure.window)
            )
            * structure.source[0]
        )
    return net.layer(c.source).units


def _attention(net: Net) -> int:
    """Return how many numbers the matrices of attention have."""
    return sum(
        4 * t.structure.heads * t.structure.positions**2 for t in net.transforms if isinstance(t.structure, Attention)
    )
