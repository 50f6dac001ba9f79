"""Choose the kernel that computes a connection, and the layout of its weights.

`KernelBuilder` takes a `Link` of the plan with its layers and returns a `ConnectionKernel` that emits the sums of the
target and, on the backward pass, errors and updates. Where several kernels are correct, it takes the one with the
fewest estimated vector operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from snsim.engines.native.attention import AttentionKernel
from snsim.engines.native.depthwise import DiagonalKernel
from snsim.engines.native.distances import DistanceKernel
from snsim.engines.native.dot_tiles import Tiles, emit_sums
from snsim.engines.native.im2col import DirectBuffer, PatchBuffer, PoolBuffer, WindowBuffer, WindowGeometry
from snsim.engines.native.kernel_protocol import ConnectionKernel, Functions, TransformKernel
from snsim.engines.native.layout import Block, IndexTables, LayerCells, ParameterCells, in_rows
from snsim.engines.native.llvm_ir import Function
from snsim.engines.native.map_lanes import MapLanesKernel
from snsim.engines.native.max_pooling import MaxPoolingKernel
from snsim.engines.native.normalization import NormalizationKernel
from snsim.engines.native.packed_lanes import PackedLanesKernel, positions_in_vector
from snsim.engines.native.pattern_tiles import (
    emit_pattern_errors,
    emit_pattern_gradient,
    emit_pattern_sums,
    serves_patterns,
)
from snsim.engines.native.shared_backward import emit_errors, emit_gradient, emit_group_errors
from snsim.engines.native.sparse import SparseKernel
from snsim.engines.native.unshared_backward import emit_unshared_backward
from snsim.engines.native.update_rules import GradientSums, Sink
from snsim.engines.native.weight_norm import WeightNormConnection
from snsim.engines.plan import Link, Plan, Transfer
from snsim.network.wiring import Dense, Frames, MaxPooling, Normalization, Windows

_MANY_SUMS = 1 << 15  # weights whose sums would be read and written for every pattern of a batch
_MOST_MAP_LANES = 160  # vectors of weights that MapLanes writes out


@dataclass(eq=False)
class TiledConnection:
    """dot_tiles.py, with shared_backward.py or unshared_backward.py for the backward pass."""

    tiles: Tiles

    @property
    def cells(self) -> ParameterCells:
        return self.tiles.cells

    @property
    def name(self) -> str:
        return self.cells.name

    def emit_forward(self, f: Function, first: bool) -> None:
        self.tiles.buffer.fill(f)
        emit_sums(f, self.tiles, first)

    def emit_backward(self, f: Function, channels: Sequence[str], errors: bool, first: bool, sink: Sink) -> None:
        update = sink.begin(f, self.name) if self.name in sink.updated else None
        if self.tiles.unshared:
            if errors or update is not None:
                emit_unshared_backward(f, self.tiles, channels, errors, first, update)
            if errors:
                self.tiles.buffer.col2im(f, channels, first)
            return
        if errors:
            self.emit_errors(f, channels, first)
        if update is not None:
            f.comment(f"gradient and update of {self.name}")
            emit_gradient(f, self.tiles, channels, update)

    def emit_errors(self, f: Function, channels: Sequence[str], first: bool) -> None:
        """Emit the errors of the source, for weights that positions share."""
        f.comment(f"errors of windows through {self.name}")
        emit_errors(f, self.tiles, channels)
        self.tiles.buffer.col2im(f, channels, first)

    # ---- All patterns of a group -----------------------------------------------------------------------------------

    @property
    def serves_patterns(self) -> bool:
        """Return whether one weight serves one position of every pattern, so that the code below is the faster one."""
        return serves_patterns(self.tiles)

    @property
    def sums_patterns(self) -> bool:
        """Return whether the gradient is summed over all patterns before it reaches memory."""
        shared = not self.tiles.unshared and not isinstance(self.tiles.buffer, PoolBuffer)
        return self.serves_patterns or (shared and len(self.cells.index) > _MANY_SUMS)

    @property
    def divides_gradient(self) -> bool:
        """Return whether threads can divide the gradient among them."""
        return not isinstance(self.tiles.buffer, PoolBuffer)  # its squares are filled for all weights at once

    def emit_group_forward(self, functions: Functions, first: bool) -> None:
        if not isinstance(self.tiles.buffer, DirectBuffer):
            self.tiles.buffer.fill(functions.of_pattern())
        emit_pattern_sums(functions.of_group(), self.tiles, first)

    def emit_group_backward(
        self, functions: Functions, channels: Sequence[str], errors: bool, first: bool, sink: GradientSums
    ) -> None:
        if errors:
            if self.serves_patterns:
                emit_pattern_errors(functions.of_group(), self.tiles, channels, first)
            else:
                self.tiles.buffer.clear(functions.of_pattern(), channels)
                f = functions.of_group()
                emit_group_errors(f, self.tiles, channels, f.argument("patterns", "i64"))
            if not isinstance(self.tiles.buffer, DirectBuffer):
                self.tiles.buffer.col2im(functions.of_pattern(), channels, first)
        if self.name in sink.updated:
            f = functions.of_group()
            update = sink.begin_patterns(f, self.name)
            if self.serves_patterns:
                emit_pattern_gradient(f, self.tiles, channels, update)
            else:
                emit_gradient(f, self.tiles, channels, update, f.argument("patterns", "i64"))


# ---- Order of maps ------------------------------------------------------------------------------------------------


def map_orders(plan: Plan) -> list[np.ndarray]:
    """Return the order in which each layer stores its maps.

    Target maps with the same sources are neighbours. Layers that are normalized or attended to, or are the result of
    that, and those whose connection shares its weights with another (`weights-of`), keep the order of their numbers.
    """
    shapes = [layer.shape for layer in plan.net.layers]
    orders = [np.arange(shape[0] if len(shape) == 3 else 1) for shape in shapes]
    transfers = [(stage.layer, *transfer.sources) for stage in plan.stages for transfer in stage.transfers]
    transfers += [(s.layer, link.source) for s in plan.stages for link in s.links if link.slot in plan.shared_slots]
    plain = {layer for layers in transfers for layer in layers}
    for stage in plan.stages:
        for link in stage.links:
            if not isinstance(link.structure, Windows) or len(stage.shape) != 3 or stage.layer in plain:
                continue
            if _is_identity(link.structure.maps):
                orders[stage.layer] = orders[link.source]
            else:
                _, first, group = np.unique(link.structure.maps, axis=1, return_index=True, return_inverse=True)
                orders[stage.layer] = np.argsort(first[group.ravel()], kind="stable")
            break
    return orders


def _is_identity(maps: np.ndarray) -> bool:
    return maps.shape[0] == maps.shape[1] and bool((maps == np.eye(len(maps), dtype=bool)).all())


# ---- Making connections -------------------------------------------------------------------------------------------


@dataclass
class KernelBuilder:
    """Builds the kernels of all connections of a net in one memory block."""

    block: Block
    tables: IndexTables
    channels: Sequence[str]
    shared_slots: frozenset[str] = frozenset()  # parameters of several links, which use the same cells
    _shared: dict[str, ParameterCells] = field(default_factory=dict)
    _normed: dict[str, WeightNormConnection] = field(default_factory=dict)

    @property
    def lanes(self) -> int:
        return self.block.machine.lanes

    def connect(self, link: Link, source: LayerCells, target: LayerCells, errors: bool) -> ConnectionKernel:
        """Return the kernel of a link, with its weight-norm. `errors`: whether the source may ever need errors."""
        kernel = self.kernel(link, source, target, errors or link.slot in self.shared_slots)
        if link.gain is None:
            return kernel
        if link.slot in self._normed:
            return self._normed[link.slot].with_kernel(kernel)
        owners = link.connection.wiring.owners()
        connection = WeightNormConnection(kernel, link.gain, owners, self.block, self.channels)
        if link.slot in self.shared_slots:
            self._normed[link.slot] = connection
        return connection

    def kernel(self, link: Link, source: LayerCells, target: LayerCells, errors: bool) -> ConnectionKernel:
        """Return the kernel that computes with the effective weights."""
        structure = link.structure
        if link.distance:
            return self._listed(link, source, target)
        if isinstance(structure, Dense):
            return self._dense(link, source, target)
        if isinstance(structure, Frames):
            return self._frames(link, structure, source, target)
        if isinstance(structure, Windows) and structure.maps.any(axis=0).all():
            if structure.sharing == "pair":
                return self._pooled(link, structure, source, target)
            return self._windows(link, structure, source, target, errors)
        return self._listed(link, source, target)

    def transfer(self, transfer: Transfer, sources: Sequence[LayerCells], target: LayerCells) -> TransformKernel:
        structure = transfer.structure
        if isinstance(structure, MaxPooling):
            return MaxPoolingKernel(structure, sources, target, self.block)
        if isinstance(structure, Normalization):
            return NormalizationKernel(structure, sources, target, self.block)
        return AttentionKernel(structure, sources, target, self.block, self.channels)

    def _parameter(self, link: Link, index: np.ndarray) -> ParameterCells:
        """Return the cells of the weights that `index` numbers; its last axis is padded to whole vectors."""
        index = in_rows(self.block.machine, index.astype(np.int32, copy=False))
        cells = self._shared.get(link.slot)
        if cells is not None:
            assert np.array_equal(cells.index, index.ravel()), "links that share weights have one layout"
            return cells
        cells = ParameterCells(link.slot, index, self.block)
        if link.slot in self.shared_slots:
            self._shared[link.slot] = cells
        return cells

    def _copy(
        self, layer: LayerCells, geometry: WindowGeometry, sets: Sequence[Sequence[int]] | None = None
    ) -> WindowBuffer:
        """Return a copy of a layer for windows: of all maps, or of each of some sets of maps."""
        return WindowBuffer(layer, geometry, sets or [range(layer.maps)], self.block, self.channels)

    def _dense(self, link: Link, source: LayerCells, target: LayerCells) -> ConnectionKernel:
        flat_source, flat_target = (replace(layer, maps=layer.units, rows=1, columns=1) for layer in (source, target))
        inputs, outputs = (layer.unit_of_cell.astype(np.int32) for layer in (source, target))
        index = inputs[None, :] * np.int32(target.units) + outputs[:, None]
        buffer: DirectBuffer | WindowBuffer = DirectBuffer(source, self.block)
        if link.scale != 1.0:
            buffer = self._copy(flat_source, WindowGeometry(1, 1, (1, 1), (1, 1), scale=link.scale))
        cells = self._parameter(link, index)
        return TiledConnection(Tiles(buffer, cells, flat_target, unshared=True))

    def _frames(self, link: Link, structure: Frames, source: LayerCells, target: LayerCells) -> ConnectionKernel:
        views = [
            replace(layer, maps=traits, rows=1, columns=frames, map_order=np.arange(traits))
            for layer, (frames, traits) in ((source, structure.source), (target, structure.target))
        ]
        window, step, (frames, outputs) = (1, structure.window), (1, structure.step), structure.target
        copy = self._copy(views[0], WindowGeometry(1, frames, window, step, scale=link.scale))
        index = np.arange(structure.window * structure.source[1] * outputs).reshape(-1, outputs).T
        cells = self._parameter(link, index)
        return TiledConnection(Tiles(copy, cells, views[1], unshared=False))

    def _listed(self, link: Link, source: LayerCells, target: LayerCells) -> ConnectionKernel:
        table = link.table
        units = np.arange(source.units)
        one_to_one = (
            not link.distance
            and source.units == target.units == len(table.source)
            and link.scale == 1.0
            and all((entries == units).all() for entries in (table.source, table.target, table.weight))
        )
        if one_to_one and (source.unit_of_cell == target.unit_of_cell).all():
            cells = self._parameter(link, source.unit_of_cell)
            return DiagonalKernel(DirectBuffer(source, self.block), cells, target)
        weights = np.arange(int(np.prod(link.connection.wiring.weight_shape)))
        cells = self._parameter(link, weights if link.gain is None else _by_owner(link, weights))
        kernel = DistanceKernel if link.distance else SparseKernel
        return kernel(source, target, table, cells, link.border_value, self.tables, self.channels, link.scale)

    # ---- Windows over maps ---------------------------------------------------------------------------------------

    def _geometry(self, link: Link, s: Windows) -> WindowGeometry:
        return WindowGeometry(
            s.target[1], s.target[2], s.window, s.step, s.border, s.wrap, link.border_value, link.scale
        )

    def _pooled(self, link: Link, s: Windows, source: LayerCells, target: LayerCells) -> ConnectionKernel:
        pool = PoolBuffer(self._copy(source, self._geometry(link, s)), self.block, self.channels)
        pairs = _pair_numbers(s)[np.ix_(target.map_order, source.map_order)]
        if _is_identity(s.maps) and (source.map_order == target.map_order).all() and link.gain is None:
            cells = self._parameter(link, np.diag(pairs))
            return DiagonalKernel(pool, cells, target)
        cells = self._parameter(link, pairs)
        return TiledConnection(Tiles(pool, cells, target, unshared=False))

    def _windows(
        self, link: Link, s: Windows, source: LayerCells, target: LayerCells, errors: bool
    ) -> ConnectionKernel:
        geometry, unshared = self._geometry(link, s), s.sharing == "unit"
        patches = (True,) if unshared else (False, True)
        ways = [(sets, patch) for sets in self._groupings(s, source, target) for patch in patches]
        sets, patch = min(ways, key=lambda way: self._cost(way[0], way[1], s, errors))
        in_lanes = self.block.machine.padded(target.maps) // self.lanes
        cells_of_window = s.window[0] * s.window[1] * source.maps
        fits = not unshared and not errors and cells_of_window * in_lanes <= _MOST_MAP_LANES and link.gain is None
        step = s.step[1] * source.maps
        packed = positions_in_vector(self.block.machine, target.maps, s.target[2], step) if fits else 1
        if fits and 2 * target.positions * cells_of_window * in_lanes / packed < self._cost(sets, patch, s, errors):
            window = self._copy(source, geometry)
            index = self._window_index(s, source, target, [range(source.maps)], unshared)
            index = np.moveaxis(index[0, 0], 0, -1).reshape(-1, target.maps)  # cell of the window, target map
            cells = self._parameter(link, index)
            if packed == 1:
                return MapLanesKernel(window, cells, target)
            return PackedLanesKernel(window, cells, target, packed)
        window = self._copy(source, geometry, sets)
        index = self._window_index(s, source, target, sets, unshared)
        buffer: WindowBuffer | PatchBuffer = window
        if patch:
            buffer = PatchBuffer(window, self.block, self.channels)
            index = index.reshape(*index.shape[:3], 1, -1)
        else:
            index = index.reshape(*index.shape[:4], -1)
        cells = self._parameter(link, index)
        return TiledConnection(Tiles(buffer, cells, target, unshared, len(sets), buffer.stride))

    def _groupings(self, s: Windows, source: LayerCells, target: LayerCells) -> list[list[tuple[int, ...]]]:
        """Return the possible ways to copy the source maps.

        All at once; or each distinct set of sources, if these have one size, feed equally many target maps, and those
        are neighbours.
        """
        everything = [tuple(range(source.maps))]
        columns = s.maps[np.ix_(source.map_order, target.map_order)].T
        sets, counts = [columns[0]], [0]
        for column in columns:
            if (column != sets[-1]).any():
                sets.append(column)
                counts.append(0)
            counts[-1] += 1
        groups = [tuple(int(m) for m in np.flatnonzero(column)) for column in sets]
        even = len(set(counts)) == 1 and len({len(g) for g in groups}) == 1
        return [everything, groups] if even and len(groups) > 1 else [everything]

    def _cost(self, sets: Sequence[Sequence[int]], patch: bool, s: Windows, errors: bool) -> float:
        """Return about how many vector operations one presentation takes.

        `sets` are the sets of source maps that are copied; `patch` tells whether each window is copied by itself.
        """
        positions, lanes, depth = s.target[1] * s.target[2], self.lanes, len(sets[0])
        rows, width = s.window[0], s.window[1] * depth
        vectors = -(-width * rows // lanes) if patch else rows * -(-width // lanes)
        passes = 3 if errors else 2
        products = passes * positions * s.target[0] * vectors + 3 * positions * s.target[0]
        copies = (2 if errors else 1) * len(sets)
        copied = positions * rows * -(-width // lanes) * 3 if patch else 0
        if len(sets) > 1:
            copied += s.source[1] * s.source[2] * 3
        return products + copies * copied

    def _window_index(
        self, s: Windows, source: LayerCells, target: LayerCells, sets: Sequence[Sequence[int]], unshared: bool
    ) -> np.ndarray:
        """Return the weight by [set][position, 1 if shared][target map of the set][row][column][source map]."""
        rows, columns = s.window
        pairs = _pair_numbers(s)[np.ix_(target.map_order, source.map_order)]
        targets = target.maps // len(sets)
        of_set = np.stack([pairs[k * targets : (k + 1) * targets][:, list(maps)] for k, maps in enumerate(sets)])
        pair = of_set[:, None, :, None, None, :]
        cell = np.arange(rows * columns).reshape(1, 1, 1, rows, columns, 1)
        if not unshared:
            return np.where(pair >= 0, pair * rows * columns + cell, -1)
        position = np.arange(target.positions).reshape(1, -1, 1, 1, 1, 1)
        return np.where(pair >= 0, (pair * target.positions + position) * rows * columns + cell, -1)


def _by_owner(link: Link, weights: np.ndarray) -> np.ndarray:
    """Return the weights in one row for each gain of a link with weight-norm, padded with -1."""
    owners = link.connection.wiring.owners()
    rows = [weights[owners == owner] for owner in range(int(owners.max()) + 1)]
    table = np.full((len(rows), max(map(len, rows))), -1)
    for row, owned in zip(table, rows):
        row[: len(owned)] = owned
    return table


def _pair_numbers(s: Windows) -> np.ndarray:
    """Return the number of each pair of maps by (target, source), -1 where it is absent."""
    fed = s.maps.T
    return np.where(fed, np.cumsum(fed).reshape(fed.shape) - 1, -1)
