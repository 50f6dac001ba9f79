"""Weight normalisation, w = gain * v / |v| for the weights of one target map or unit, around the kernel of a link.

The kernel works with w as with any weights, and sums the derivatives by w instead of updating them. The parameters are
v, with the layout of w, and the gains. After each pattern the derivatives by w are converted to derivatives by v and
gain (see `engines.weight_norm` for the formulas) and updated; then w is computed again. The weights of one gain are
neighbours, a run of whole vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING

import numpy as np

from snsim.engines.native.elementwise import sum_of_vectors
from snsim.engines.native.im2col import At, each_vector
from snsim.engines.native.layout import Block, ParameterCells, in_rows
from snsim.engines.native.llvm_ir import Function, Index, Value
from snsim.engines.native.target import Address
from snsim.engines.native.update_rules import GradientSums, Sink, UpdateCode, WeightUpdate

if TYPE_CHECKING:
    from snsim.engines.native.kernel_protocol import ConnectionKernel


class WeightNormConnection:
    """A link with weight-norm; satisfies `ConnectionKernel`. `kernel` computes with the weights w."""

    def __init__(self, kernel: ConnectionKernel, gain: str, owners: np.ndarray, block: Block, channels: Sequence[str]):
        self.kernel, self.name, self.gain = kernel, kernel.name, gain
        self.cells = ParameterCells(kernel.name, kernel.cells.index, block)  # v
        of_run = _owners_of_runs(kernel.cells.index, owners)
        self.runs, self.length = len(of_run), len(kernel.cells.index) // len(of_run)
        self.gains = ParameterCells(gain, in_rows(block.machine, of_run), block)
        self.inverse, self.ratio = block.take(self.runs), block.take(self.runs)  # 1/|v| and gain/|v| of each run
        self.of_gains = {c: block.take(self.runs) for c in channels}

    def with_kernel(self, kernel: ConnectionKernel) -> WeightNormConnection:
        """Return another link with the same parameters (`weights-of`), computed by `kernel`."""
        other = copy(self)
        other.kernel = kernel
        return other

    def emit_forward(self, f: Function, first: bool) -> None:
        self.kernel.emit_forward(f, first)

    def emit_weights(self, f: Function) -> None:
        """Emit the weights w from v and the gains."""
        f.comment(f"weights from {self.name} and {self.gain}")

        def run(r: Index, _: list[Value]) -> None:
            v, w = (cells.value.by(r, self.length) for cells in (self.cells, self.kernel.cells))

            def squared(at: At, n: int, now: Value) -> Value:
                number = f.load(at(v))
                return f.fma(number, number, now)

            inverse = f.constant(1.0) / f.call("sqrt", sum_of_vectors(f, self.length, squared))
            ratio = f.broadcast(self.gains.value.by(r, 1)) * inverse
            f.store(f.lane(inverse, 0), self.inverse.by(r, 1))
            f.store(f.lane(ratio, 0), self.ratio.by(r, 1))
            each_vector(f, self.length, lambda at, n: f.store(f.load(at(v)) * ratio, at(w)))

        f.loop(self.runs, run, name="run")

    def emit_backward(self, f: Function, channels: Sequence[str], errors: bool, first: bool, sink: Sink) -> None:
        updated = self.name in sink.updated or self.gain in sink.updated
        gathered = GradientSums({self.name: self.kernel.cells}, frozenset([self.name] if updated else ()), channels)
        self.kernel.emit_backward(f, channels, errors, first, gathered)
        if not updated:
            return
        f.comment(f"gradient and update of {self.name} and {self.gain}")
        update = sink.begin(f, self.name) if self.name in sink.updated else None
        f.loop(self.runs, lambda r, _: self._emit_run(f, channels, r, update), name="run")
        if self.gain in sink.updated:
            self._emit_gains(f, channels, sink.begin(f, self.gain))
        if isinstance(sink, UpdateCode):
            self.emit_weights(f)

    def _emit_run(self, f: Function, channels: Sequence[str], r: Index, update: WeightUpdate | None) -> None:
        inverse, ratio = (f.broadcast(place.by(r, 1)) for place in (self.inverse, self.ratio))
        v, w = (cells.value.by(r, self.length) for cells in (self.cells, self.kernel.cells))
        sums = {c: w + self.kernel.cells.beside(f"sum {c}") for c in channels}
        along = {}
        for c in channels:
            along[c] = self._along(f, v, sums[c], inverse, squared=c != "g")
            f.store(f.lane(along[c], 0), self.of_gains[c].by(r, 1))
        mask = self.cells.masks(1)[0]

        def vector(at: At, n: int) -> None:
            u, one = f.load(at(v)) * inverse, f.constant(1.0)
            of_w = {c: f.load(at(sums[c])) for c in channels}
            of_v = {"g": ratio * (of_w["g"] - u * along["g"])}
            for c in channels[1:]:
                squared = u * u
                of_v[c] = ratio * ratio * (of_w[c] * (one - squared * 2.0) + squared * along[c])
                if c == "h-full":
                    from_gradient = u * of_w["g"] * 2.0 + (one - squared * 3.0) * along["g"]
                    of_v[c] = of_v[c] - ratio * inverse * from_gradient
            for c in channels:
                f.store(f.zero, at(sums[c]))
            if update is not None:
                update.apply(at(v), of_v, mask.truth(f, at(v)))

        each_vector(f, self.length, vector)

    def _along(self, f: Function, v: Address, derivative: Address, inverse: Value, squared: bool) -> Value:
        """Emit the sum over a run of u, or u^2, times a derivative by w."""

        def step(at: At, n: int, now: Value) -> Value:
            u = f.load(at(v)) * inverse
            return f.fma(u * u if squared else u, f.load(at(derivative)), now)

        return sum_of_vectors(f, self.length, step)

    def _emit_gains(self, f: Function, channels: Sequence[str], update: WeightUpdate) -> None:
        mask = self.gains.masks(1)[0]

        def vector(at: At, n: int) -> None:
            place = at(self.gains.value)
            totals = {c: f.first_lanes(f.load(at(self.of_gains[c])), n) for c in channels}
            update.apply(place, totals, mask.truth(f, place))

        each_vector(f, self.runs, vector)


def _owners_of_runs(index: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Return the owner of each run: the cells are cut into equally many for each owner."""
    rows = index.reshape(int(owners.max()) + 1, -1)
    of_cell = np.where(rows >= 0, owners[rows], -1)
    of_run: np.ndarray = of_cell.max(axis=1)
    assert ((of_cell == of_run[:, None]) | (rows < 0)).all(), "the weights of one gain must be contiguous"
    return of_run
