"""Lay out the numbers of a chain, and list the operations of a presentation.

All parameters stand in one block, each row of weights on whole vectors; rates, gradients and means have the same
layout. States are planes one after the other, as in the modules. Every buffer ends with room for the vectors that reach
past its end.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from snsim.lush.arithmetic import QUICK_TANH, STANDARD_SIGMOID, Floats
from snsim.lush.plan.arguments import BLOCK, CHUNK, WIDE
from snsim.lush.plan.chain import Blocks, Description, Distances, Full, Sizes, Squash, Stage, Windows
from snsim.lush.plan.compiled import CompiledOperations, bits

_ALIGNED = 64  # bytes
_ROOM = 128  # numbers behind a buffer


def buffer(count: int) -> Floats:
    """Return zeros, and room behind them. The address of the first is a multiple of 64."""
    whole = np.zeros(count + _ROOM + _ALIGNED // 4, np.float32)
    first = -whole.ctypes.data % _ALIGNED // 4
    return whole[first : first + count + _ROOM]


def needed_numbers(description: Description) -> int:
    """Return about how many numbers the buffers of a chain take."""
    numbers = 8 * description.parameters
    for stage in description.stages:
        if isinstance(stage, (Full, Distances)):
            numbers += 4 * (stage.inputs + stage.outputs)
            continue
        numbers += 8 * math.prod(stage.sizes)
        if isinstance(stage, Windows):
            _, h, w = stage.sizes
            ki, kj = stage.kernel
            frame = (h + ki) * (w + kj)
            numbers += 4 * (stage.sizes[0] + stage.thickness) * frame
            numbers += stage.sizes[0] * math.prod(stage.output[1:]) * (math.prod(stage.kernel) + CHUNK)
            numbers += 5 * len(stage.table) * CHUNK
    return numbers


@dataclass
class Buffers:
    """The numbers of a stage: input, sum, output, and their gradients (or second derivatives).

    `sub`: the sums of blocks. `first`: there is no stage before it, so nobody needs `dx`.
    """

    x: Floats
    sum: Floats
    out: Floats
    dx: Floats
    sum_dx: Floats
    out_dx: Floats
    sub: Floats
    first: bool


Arguments = dict[str, np.ndarray | int | float]


class Operations:
    """A list of operations, with the arrays that it points to."""

    def __init__(self, compiled: CompiledOperations):
        self._compiled = compiled
        self._rows: list[tuple[int, int]] = []
        self.kept: list[np.ndarray] = []

    def add(self, name: str, **arguments: np.ndarray | int | float) -> None:
        """Append an operation."""
        function, values = self._compiled.entry(name, arguments)
        self._rows.append((function, values.ctypes.data))
        self.kept += [values, *(value for value in arguments.values() if isinstance(value, np.ndarray))]

    def extend(self, other: Operations) -> None:
        """Append the operations of another list."""
        self._rows += other._rows
        self.kept += other.kept

    def table(self) -> np.ndarray:
        """Return the list as compiled code reads it, valid while this object lives."""
        return np.array(self._rows, np.int64).reshape(-1, 2)


class Layout:
    """The buffers of a chain, and the operations of its passes.

    Attributes
    ----------
    target, place : arrays of int64
        Number target[i] of the block of parameters is number place[i] of the param. Some of the param stand at several
        places of the block. `unique` selects the first place of each.
    size, vectors : int
        The numbers in the block of parameters, and the vectors that hold them.
    x, dx, rates, backup : arrays
        The parameters, their gradients or second derivatives, their rates, and the values before the last update.
    """

    def __init__(self, description: Description, compiled: CompiledOperations):
        self.description, self.compiled, self.lanes = description, compiled, compiled.lanes
        self.outputs = description.output[0]
        self.size = 0
        self._targets: list[np.ndarray] = []
        self._places: list[np.ndarray] = []
        self._starts = [self._place_parameters(stage) for stage in description.stages]
        used = np.concatenate([np.zeros(0, np.int64), *self._places])
        rest = np.setdiff1d(np.arange(description.parameters), used)  # no module of the chain uses these
        self._put(self._take(len(rest)) + np.arange(len(rest)), rest)
        self.target, self.place = np.concatenate(self._targets), np.concatenate(self._places)
        self.unique = np.unique(self.place, return_index=True)[1]
        self.x, self.dx, self.rates, self.backup = (buffer(self.size) for _ in range(4))
        self.vectors = self.size // self.lanes
        self.check, self.flag = buffer(self.lanes), np.zeros(1, np.int64)
        self.minus_zero = np.full(1, -0.0, np.float32)
        self._buffers = self._make_buffers()
        self._made: dict[str, Operations] = {}

    # ---- Parameters ----------------------------------------------------------------------------------------------

    def _take(self, count: int) -> int:
        """Allocate numbers in the block of parameters; return the first."""
        first = self.size
        self.size += self._padded(count)
        return first

    def _padded(self, count: int) -> int:
        return math.ceil(count / self.lanes) * self.lanes

    def _put(self, targets: np.ndarray, places: np.ndarray) -> None:
        self._targets.append(np.asarray(targets, np.int64).reshape(-1))
        self._places.append(np.asarray(places, np.int64).reshape(-1))

    def _place_parameters(self, stage: Stage) -> tuple[int, int]:
        """Allocate the parameters of a stage; return where its weights and biases begin."""
        if isinstance(stage, (Full, Distances)):
            pitch = self._padded(stage.outputs)
            first = self._take(self._padded(stage.inputs) * pitch)
            places = np.frombuffer(stage.weights, np.int32)
            rows = first + np.arange(stage.inputs)[:, None] * pitch + np.arange(stage.outputs)
            self._put(rows, places)
            if isinstance(stage, Distances):
                return first, first
            bias = self._take(pitch)
            self._put(bias + np.arange(stage.outputs), stage.bias + np.arange(stage.outputs))
            return first, bias
        if isinstance(stage, Windows):
            taps, width = math.prod(stage.kernel), self._width(stage)
            first = self._take(len(stage.table) * width)
            rows = first + np.arange(len(stage.table)) * width
            self._put(rows[:, None] + np.arange(taps), stage.kernels + np.arange(len(rows) * taps))
            self._put(rows + taps, stage.bias + np.array([end for _, end in stage.table]))
            return first, first + taps
        if isinstance(stage, Blocks):
            maps = stage.sizes[0]
            first, bias = self._take(maps), self._take(maps)
            self._put(first + np.arange(maps), stage.coeff + np.arange(maps))
            self._put(bias + np.arange(maps), stage.bias + np.arange(maps))
            return first, bias
        return 0, 0

    def _width(self, stage: Windows) -> int:
        """Return the numbers of a kernel in the block: its taps, the bias, and room."""
        return math.ceil((math.prod(stage.kernel) + 1) / CHUNK) * CHUNK

    # ---- Buffers -------------------------------------------------------------------------------------------------

    def _make_buffers(self) -> list[Buffers]:
        count = math.prod(self.description.sizes)
        x, dx = buffer(count), buffer(count)
        self.input = x
        made = []
        for i, stage in enumerate(self.description.stages):
            count = math.prod(stage.output)
            sums, sum_dx = (x, dx) if isinstance(stage, Squash) else (buffer(count), buffer(count))
            sub = buffer(count if isinstance(stage, Blocks) else 0)
            out, out_dx = (buffer(count), buffer(count)) if stage.squash else (sums, sum_dx)
            made.append(Buffers(x, sums, out, dx, sum_dx, out_dx, sub, not i))
            x, dx = out, out_dx
        self.output, self.output_dx = x, dx
        return made

    # ---- Operations ----------------------------------------------------------------------------------------------

    def forward(self) -> Operations:
        """Return the operations from the input to the output."""
        return self._made_once("forward", self._forward)

    def backward(self) -> Operations:
        """Return the operations from the gradient of the output to those of all parameters."""
        return self._made_once("backward", lambda: self._back(gradients=True, squared=False))

    def errors(self) -> Operations:
        """Return the operations of `backward` that go from stage to stage: their numbers are checked only."""
        return self._made_once("errors", lambda: self._back(gradients=False, squared=False))

    def curvature(self) -> Operations:
        """Return the operations from the second derivative of the output to those of all parameters."""
        return self._made_once("curvature", lambda: self._back(gradients=True, squared=True))

    def _made_once(self, name: str, make: Callable[[], Operations]) -> Operations:
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def _forward(self) -> Operations:
        list_ = Operations(self.compiled)
        vectors = math.ceil(math.prod(self.description.sizes) / self.lanes)
        list_.add("check_numbers", x=self.input, vectors=vectors, check=self.check)
        for stage, start, b in zip(self.description.stages, self._starts, self._buffers):
            if isinstance(stage, (Full, Distances)):
                self._add_full_sums(list_, stage, start, b)
            elif isinstance(stage, Windows):
                self._add_window_sums(list_, stage, start, b)
            elif isinstance(stage, Blocks):
                weights, bias = self.x[start[0] :], self.x[start[1] :]
                list_.add("block_sums", x=b.x, sub=b.sub, out=b.sum, coeff=weights, bias=bias, **_shape(stage))
            self._add_squash(list_, stage, b, "")
        return list_

    def _back(self, gradients: bool, squared: bool) -> Operations:
        """Return the operations of a backward pass, with the gradients of the parameters or without."""
        list_ = Operations(self.compiled)
        stages = list(zip(self.description.stages, self._starts, self._buffers))
        for stage, start, b in reversed(stages):
            self._add_squash(list_, stage, b, "curved" if squared else "back")
            if isinstance(stage, Squash):
                continue
            if not b.first:
                self._add_spread(list_, stage, start, b, squared)
            if gradients:
                self._gradient(list_, stage, start, b, squared)
        return list_

    def _add_squash(self, list_: Operations, stage: Stage, b: Buffers, way: str) -> None:
        vectors = math.ceil(math.prod(stage.output) / self.lanes)
        if not stage.squash:
            list_.add("check_numbers", x=b.sum_dx if way else b.sum, vectors=vectors, check=self.check)
            return
        function = STANDARD_SIGMOID if stage.squash == "sigmoid" else QUICK_TANH
        a1, a2, a3 = (float(a) for a in function.coefficients)
        numbers: Arguments = {"a1": a1, "a2": a2, "a3": a3}
        numbers |= {"height": float(function.height), "steepest": float(function.steepest)}
        numbers |= {"vectors": vectors, "check": self.check, "x": b.sum}
        if way:
            list_.add(f"{stage.squash}_{way}", errors=b.out_dx, out=b.sum_dx, **numbers)
        else:
            list_.add(stage.squash, out=b.out, **numbers)

    def _add_full_sums(self, list_: Operations, stage: Full | Distances, start: tuple[int, int], b: Buffers) -> None:
        pitch = self._padded(stage.outputs)
        done = 0
        for size in (8, 4, 2, 1):
            while pitch // self.lanes - done >= size:
                at = done * self.lanes
                weights, out = self.x[start[0] + at :], b.sum[at:]
                common: Arguments = {"x": b.x, "weights": weights, "out": out, "inputs": stage.inputs, "pitch": pitch}
                if isinstance(stage, Distances):
                    list_.add(f"distances_{size}", **common)
                else:
                    bias = self.x[start[1] + at :]
                    list_.add(f"full_sums_{size}", bias=bias, start=_first(stage.outputs), **common)
                done += size

    def _add_window_sums(self, list_: Operations, stage: Windows, start: tuple[int, int], b: Buffers) -> None:
        (_, h, w), width, taps = stage.sizes, self._width(stage), math.prod(stage.kernel)
        counts = Counter(end for _, end in stage.table)
        same = Counter(counts.values())
        places = math.prod(stage.output[1:])
        tables = [
            (
                [
                    (b.x[source * h * w :], self.x[start[0] + r * width :])
                    for r, (source, end) in enumerate(stage.table)
                    if end == m
                ],
                _first(same[counts[m]] * places),
            )
            for m in range(stage.thickness)
        ]
        first_rows = [next(r for r, (_, end) in enumerate(stage.table) if end == m) for m in range(stage.thickness)]
        biases = [self.x[start[0] + r * width + taps :] for r in first_rows]
        self._add_plane_sums(list_, tables, stage.kernel, w, stage.output, b.sum, biases, False, step=stage.step)

    def _add_plane_sums(
        self,
        list_: Operations,
        tables: list[tuple[list[tuple[Floats, Floats]], float]],
        kernel: tuple[int, int],
        pitch: int,
        output: Sizes,
        out: Floats,
        biases: list[Floats],
        squared: bool,
        step: tuple[int, int] = (1, 1),
        flipped: bool = False,
    ) -> None:
        """Add the window sums of planes: `tables` holds rows (plane, kernel) and the first value for each map.

        They are computed for all places, also for those between the steps. A map without rows becomes 0.
        """
        (maps, rows, columns), (ki, kj), (ri, rj) = output, kernel, step
        places = (rows - 1) * ri * pitch + (columns - 1) * rj + 1
        blocks = math.ceil(places / (BLOCK * self.lanes))
        plane = blocks * BLOCK * self.lanes
        wide = buffer(maps * plane)
        jobs, cuts = [], []
        for m, (pairs, zero) in enumerate(tables):
            cuts.append((wide[m * plane :], out[m * rows * columns :], biases[m]))
            if pairs:
                row = _table(pairs)
                list_.kept.append(row)
                jobs.append((wide[m * plane :], row, len(pairs), zero))
        list_.kept.append(wide)
        list_.add(
            "window_sums_squared" if squared else "window_sums",
            jobs=_table(jobs),
            maps=len(jobs),
            rows=ki,
            columns=kj,
            pitch=pitch,
            blocks=blocks,
            step=-1 if flipped else 1,
        )
        common: Arguments = {"jobs": _table(cuts), "maps": maps, "rows": rows, "columns": columns, "pitch": ri * pitch}
        if rj == 1:
            list_.add("cut_rows", vectors=math.ceil(columns / self.lanes), **common)
        else:
            list_.add("pick_rows", apart=rj, **common)

    def _add_full_spread(
        self, list_: Operations, stage: Full | Distances, start: int, b: Buffers, squared: bool
    ) -> None:
        pitch, blocks = self._padded(stage.outputs), self._padded(stage.inputs) // self.lanes
        common: Arguments = {
            "weights": self.x[start:],
            "errors": b.sum_dx,
            "out": b.dx,
            "outputs": stage.outputs,
            "blocks": blocks,
            "vectors": pitch // self.lanes,
            "pitch": pitch,
            "start": _first(stage.inputs),
        }
        if isinstance(stage, Full):
            way = "" if not squared else "_weight_twice" if stage.of_windows else "_squared_weight"
            list_.add(f"full_spread{way}", **common)
        elif squared:  # the second derivative is 1
            ones = buffer(stage.inputs)
            ones[: stage.inputs] = 1
            list_.add("present", target=b.dx, source=ones, size=0, vectors=blocks)
        else:
            list_.add("distance_spread", x=b.x, **common)

    def _add_spread(
        self,
        list_: Operations,
        stage: Full | Distances | Windows | Blocks,
        start: tuple[int, int],
        b: Buffers,
        squared: bool,
    ) -> None:
        """Add the operations from the gradient of the sum to that of the input."""
        if isinstance(stage, (Full, Distances)):
            self._add_full_spread(list_, stage, start[0], b, squared)
        elif isinstance(stage, Blocks):
            name = "block_spread_squared" if squared else "block_spread"
            list_.add(name, errors=b.sum_dx, coeff=self.x[start[0] :], out=b.dx, **_shape(stage))
        else:
            self._add_window_spread(list_, stage, start, b, squared)

    def _add_window_spread(
        self, list_: Operations, stage: Windows, start: tuple[int, int], b: Buffers, squared: bool
    ) -> None:
        (maps, h, w), (ki, kj), (_, rows, columns) = stage.sizes, stage.kernel, stage.output
        pitch, width, taps = w + kj - 1, self._width(stage), ki * kj
        plane = (h + ki - 1) * pitch
        frames = buffer(stage.thickness * plane)
        inside = (ki - 1) * pitch + kj - 1
        jobs = _table([(b.sum_dx[m * rows * columns :], frames[m * plane + inside :]) for m in range(stage.thickness)])
        list_.kept.append(frames)
        (ri, rj), thickness = stage.step, stage.thickness
        list_.add("frame_rows", jobs=jobs, maps=thickness, rows=rows, columns=columns, pitch=ri * pitch, apart=rj)
        same = Counter(Counter(source for source, _ in stage.table).values())
        tables = []
        for m in range(maps):
            pairs = [
                (frames[end * plane :], self.x[start[0] + r * width + taps - 1 :])
                for r, (source, end) in enumerate(stage.table)
                if source == m
            ]
            tables.append((pairs, _first(same[len(pairs)] * h * w)))
        biases = [self.minus_zero] * maps
        self._add_plane_sums(list_, tables, stage.kernel, pitch, stage.sizes, b.dx, biases, squared, flipped=True)

    def _gradient(
        self,
        list_: Operations,
        stage: Full | Distances | Windows | Blocks,
        start: tuple[int, int],
        b: Buffers,
        squared: bool,
    ) -> None:
        """Add the operations that set the gradients of the parameters of a stage."""
        gradient, bias = self.dx[start[0] :], self.dx[start[1] :]
        if isinstance(stage, (Full, Distances)):
            self._add_full_gradient(list_, stage, start, b, squared)
        elif isinstance(stage, Blocks):
            name = "block_gradient_squared" if squared else "block_gradient"
            places = math.prod(stage.output[1:])
            list_.add(
                name,
                sub=b.sub,
                errors=b.sum_dx,
                gradient=gradient,
                bias_gradient=bias,
                maps=stage.sizes[0],
                places=places,
            )
        else:
            self._add_kernel_gradient(list_, stage, start[0], b, squared)

    def _add_full_gradient(
        self, list_: Operations, stage: Full | Distances, start: tuple[int, int], b: Buffers, squared: bool
    ) -> None:
        pitch, gradient = self._padded(stage.outputs), self.dx[start[0] :]
        vectors = pitch // self.lanes
        common: Arguments = {"x": b.x, "errors": b.sum_dx, "gradient": gradient, "inputs": stage.inputs}
        common |= {"vectors": vectors, "pitch": pitch}
        if isinstance(stage, Full):
            way = "" if not squared else "_squared_input" if stage.of_windows else "_input_twice"
            list_.add(f"full_gradient{way}", bias_gradient=self.dx[start[1] :], **common)
        elif squared:  # nothing is added to the second derivative
            zeros = buffer(stage.inputs * pitch)
            list_.add("present", target=gradient, source=zeros, size=0, vectors=stage.inputs * vectors)
        else:
            list_.add("distance_gradient", weights=self.x[start[0] :], **common)

    def _add_kernel_gradient(self, list_: Operations, stage: Windows, start: int, b: Buffers, squared: bool) -> None:
        (maps, h, w), (ki, kj), (_, rows, columns) = stage.sizes, stage.kernel, stage.output
        width, places = self._width(stage), rows * columns
        windows = [buffer(places * width) for _ in range(maps)]
        nowhere = buffer(width)
        list_.kept += [*windows, nowhere]
        list_.add(
            "list_windows_squared" if squared else "list_windows",
            jobs=_table([(b.x[m * h * w :], windows[m]) for m in range(maps)]),
            maps=maps,
            rows=rows,
            columns=columns,
            pitch=w,
            next=stage.step[0] * w,
            apart=stage.step[1],
            kernel_rows=ki,
            kernel_columns=kj,
            width=width,
            vectors=math.ceil(kj / self.lanes),
        )
        jobs = []
        for m in range(maps):
            own = [(r, end) for r, (source, end) in enumerate(stage.table) if source == m]
            for i in range(0, len(own), WIDE):
                some = own[i : i + WIDE]
                errors = [b.sum_dx[end * places :] for _, end in some]
                outs = [self.dx[start + r * width :] for r, _ in some]
                missing = WIDE - len(some)
                jobs.append((windows[m], *errors, *errors[:1] * missing, *outs, *[nowhere] * missing))
        chunks = width // CHUNK
        list_.add("kernel_gradient", jobs=_table(jobs), count=len(jobs), chunks=chunks, places=places, width=width)


def _first(lanes: int) -> float:
    """Return what a sum of the modules starts from: it is 0, but one sum alone starts from its first term.

    Adding -0 changes no number. NumPy's `add.reduce` starts from 0, and `add.accumulate` does not.
    """
    return -0.0 if lanes == 1 else 0.0


def _table(rows: Sequence[tuple[np.ndarray | int | float, ...]]) -> np.ndarray:
    """Return rows of addresses and numbers as compiled code reads them."""
    return np.array([[bits(value) for value in row] for row in rows], np.int64)


def _shape(stage: Blocks) -> Arguments:
    (maps, rows, columns), (bi, bj) = stage.output, stage.block
    return {"maps": maps, "rows": rows, "columns": columns, "block_rows": bi, "block_columns": bj}
