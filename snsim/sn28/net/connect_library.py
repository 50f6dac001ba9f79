"""Connect layers by windows, shared masks and biases: the words of connect.sn, with SN's exact geometry.

See docs/reference/sn28.md, section 3.16.

A layer lists its units row by row. The sizes of a layer are given as rows and columns, but the steps and sizes of a
window as columns and rows (x first). Windows start at the top left. A window that would leave the layer is shifted
back inside: sizes that do not fit give a warning and windows that overlap more, as in SN. Connections are made window
by window in reading order, and in a window from its first unit to its last.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from snsim.errors import Fault
from snsim.language.builtins.arithmetic import whole
from snsim.language.forms import Form
from snsim.language.procedures import CallError
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import Netspace

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

Windows = np.ndarray  # numbers of units, shape (windows, units per window)
Sharing = Callable[[Windows], np.ndarray]  # from windows to weight numbers from 0, broadcastable to the windows


# Where windows begin


def _window_positions(caller: str, source: int, target: int, step: int, size: int, toric: bool) -> np.ndarray:
    """Return the positions of each window along one axis, shape (target, size)."""
    if toric:
        if not step <= size <= source:
            raise CallError(
                f"{caller}: a window of {size} with step {step} does not wrap around {source} units",
                None,
                f"write a window from {step} (its step) to {source} units"
                if step <= source
                else f"write a step up to {source}",
            )
        starts = np.minimum(np.arange(target) * step, source - step)
        return (starts[:, None] + np.arange(size)) % source
    if size > source:
        raise CallError(
            f"{caller}: a window of {size} does not fit into {source} units",
            None,
            f"write at most {source}; a window is written as columns, rows, but a layer as rows, columns",
        )
    return np.minimum(np.arange(target) * step, source - size)[:, None] + np.arange(size)


def _fits(source: int, target: int, step: int, size: int, toric: bool) -> bool:
    return source == target * step if toric else source == (target - 1) * step + size


class _Builder:
    """Reads the arguments of one call, computes its windows and makes its connections."""

    def __init__(self, interpreter: Interpreter, caller: str, warning: str = ""):
        self.interpreter, self.caller = interpreter, caller
        self.warning = warning or f"{caller}:[warning]:inexact layer size."
        self.net = interpreter.part(Netspace)

    def sizes(self, first_argument: int, *values: Form) -> list[int]:
        """Return sizes and steps as whole numbers. Raise CallError for a value below 1."""
        for i, x in enumerate(values, first_argument):
            if not isinstance(x, float):
                raise CallError(
                    f"{self.caller}: expected a size or step, got {self.interpreter.describe(x)}",
                    i,
                    f"write a whole number of 1 or more; `snsim help {self.caller}` shows the order",
                )
        numbers = [whole(self.caller, x, i) for i, x in enumerate(values, first_argument)]
        for i, n in enumerate(numbers, first_argument):
            if n < 1:
                raise CallError(f"{self.caller}: expected a size or step of 1 or more, got {n}", i, "write 1 or more")
        return numbers

    def layer(self, layer: Form, *sizes: int) -> np.ndarray:
        """Return the units of a layer, shape `sizes`, with -1 for units that it lacks. Units beyond the sizes drop out.

        SN builds such nets without a word, so this only warns.
        """
        units = self.net.units(layer, self.caller).array
        count = math.prod(sizes)
        if len(units) != count:
            self.interpreter.budget.check_matrix(count, self.caller)
            written = " x ".join(map(str, sizes))
            self.interpreter.warnings.append(
                Fault(
                    f"{self.caller}: the sizes {written} do not match a layer of {len(units)} units",
                    self.interpreter.place(),
                    hint=f"write sizes whose product is {len(units)}",
                    severity="warning",
                )
            )
            units = np.concatenate([units[:count], np.full(max(count - len(units), 0), -1)])
        shaped: np.ndarray = units.reshape(sizes)
        return shaped

    def warn_unless(self, fits: bool) -> None:
        if not fits:
            self.interpreter.print_text(self.warning + "\n")

    def windows_1d(self, source: np.ndarray, target: int, step: int, size: int) -> Windows:
        self.interpreter.budget.check_matrix(target * size, self.caller)
        self.warn_unless(_fits(len(source), target, step, size, False))
        windows: Windows = source[_window_positions(self.caller, len(source), target, step, size, False)]
        return windows

    def windows_2d(
        self,
        source: np.ndarray,
        target: tuple[int, int],
        step: tuple[int, int],
        size: tuple[int, int],
        toric: bool = False,
    ) -> Windows:
        """Return the windows of a layer of two dimensions; all pairs are (rows, columns)."""
        self.interpreter.budget.check_matrix(target[0] * target[1] * size[0] * size[1], self.caller)
        axes = list(zip(source.shape, target, step, size))
        self.warn_unless(all(_fits(*axis, toric) for axis in axes))
        rows, columns = (_window_positions(self.caller, *axis, toric) for axis in axes)
        windows: Windows = source[rows[:, None, :, None], columns[None, :, None, :]]
        return windows.reshape(target[0] * target[1], size[0] * size[1])

    def join(self, pre: np.ndarray, post: np.ndarray, weights: np.ndarray) -> Form:
        """Make connections in this order, and return their number.

        `weights` are the numbers of their weights, from 0 for the first new weight. The three arrays are broadcast.
        """
        pres, posts, weight_offsets = (
            np.ascontiguousarray(end).reshape(-1) for end in np.broadcast_arrays(pre, post, weights)
        )
        exist = (pres >= 0) & (posts >= 0)
        if not exist.all():
            pres, posts = pres[exist], posts[exist]
            _, first, numbers = np.unique(weight_offsets[exist], return_index=True, return_inverse=True)
            weight_offsets = np.argsort(np.argsort(first))[numbers]  # numbered in the order in which they occur
            if not len(pres):
                return 0.0
        self.net.join(pres, posts, weight_offsets, self.caller, new_weights=int(weight_offsets.max()) + 1)
        return float(len(pres))


def _separate_weights(windows: Windows) -> np.ndarray:
    """Give every connection a weight of its own."""
    return np.arange(windows.size).reshape(windows.shape)


def _mask_weights(windows: Windows) -> np.ndarray:
    """Give every position in the window one weight, shared by all windows."""
    return np.arange(windows.shape[1])[None, :]


def _single_weight(windows: Windows) -> np.ndarray:
    """Give all connections the same weight."""
    return np.zeros((1, 1), int)


def _connect_1d(
    interpreter: Interpreter, caller: str, sharing: Sharing, arguments: tuple[Form, ...], warning_name: str = ""
) -> Form:
    source, n, target, m, step, size = arguments
    builder = _Builder(interpreter, caller, f"{warning_name or caller}:[warning]:inexact layer size.")
    (source_size,) = builder.sizes(1, n)
    target_size, by, width = builder.sizes(3, m, step, size)
    inputs, outputs = builder.layer(source, source_size), builder.layer(target, target_size)
    windows = builder.windows_1d(inputs, target_size, by, width)
    return builder.join(windows, outputs[:, None], sharing(windows))


def _connect_2d(
    interpreter: Interpreter,
    caller: str,
    sharing: Sharing,
    arguments: tuple[Form, ...],
    warning_name: str = "",
    toric: bool = False,
) -> Form:
    source, rows, columns, target, to_rows, to_columns, *window = arguments
    builder = _Builder(interpreter, caller, f"{warning_name or caller}:[warning]:inexact layer size.")
    from_size = builder.sizes(1, rows, columns)
    r, c, xs, ys, xz, yz = builder.sizes(4, to_rows, to_columns, *window)
    inputs, outputs = builder.layer(source, *from_size), builder.layer(target, r, c)
    windows = builder.windows_2d(inputs, (r, c), (ys, xs), (yz, xz), toric)
    return builder.join(windows, outputs.reshape(-1, 1), sharing(windows))


# Windows


@net_word("local-1d-connect")
def local_1d_connect(
    interpreter: Interpreter, source: Form, n: Form, target: Form, m: Form, step: Form, size: Form
) -> Form:
    """(local-1d-connect L1 n1 L2 n2 step size): connects each of the n2 units of L2 to size of the n1 units of L1

    The windows of L1 begin step units apart. Each connection has its own weight.
    """
    return _connect_1d(interpreter, "local-1d-connect", _separate_weights, (source, n, target, m, step, size))


@net_word("mask-1d-connect", "iterative")
def mask_1d_connect(
    interpreter: Interpreter, source: Form, n: Form, target: Form, m: Form, step: Form, size: Form
) -> Form:
    """(mask-1d-connect L1 n1 L2 n2 step size): like local-1d-connect, but all windows share the same size weights"""
    return _connect_1d(interpreter, "mask-1d-connect", _mask_weights, (source, n, target, m, step, size))


@net_word("equal-mask-1d-connect", "iterative")
def equal_mask_1d_connect(
    interpreter: Interpreter, source: Form, n: Form, target: Form, m: Form, step: Form, size: Form
) -> Form:
    """(equal-mask-1d-connect L1 n1 L2 n2 step size): like local-1d-connect, but all connections share one weight"""
    return _connect_1d(
        interpreter, "equal-mask-1d-connect", _single_weight, (source, n, target, m, step, size), "mask-1d-connect"
    )


@net_word("local-2d-connect")
def local_2d_connect(
    interpreter: Interpreter,
    source: Form,
    r1: Form,
    c1: Form,
    target: Form,
    r2: Form,
    c2: Form,
    xs: Form,
    ys: Form,
    xz: Form,
    yz: Form,
) -> Form:
    """(local-2d-connect L1 r1 c1 L2 r2 c2 xstep ystep xsize ysize): connects each unit of L2 to a window of L1

    L1 has r1 rows of c1 units, L2 has r2 rows of c2. A window has ysize rows of xsize units. Windows begin xstep
    columns and ystep rows apart. Each connection has its own weight.
    """
    return _connect_2d(
        interpreter, "local-2d-connect", _separate_weights, (source, r1, c1, target, r2, c2, xs, ys, xz, yz)
    )


@net_word("mask-2d-connect", "iterative")
def mask_2d_connect(
    interpreter: Interpreter,
    source: Form,
    r1: Form,
    c1: Form,
    target: Form,
    r2: Form,
    c2: Form,
    xs: Form,
    ys: Form,
    xz: Form,
    yz: Form,
) -> Form:
    """(mask-2d-connect L1 r1 c1 L2 r2 c2 xstep ystep xsize ysize): like local-2d-connect, but windows share weights

    All windows have the same xsize x ysize weights.
    """
    return _connect_2d(interpreter, "mask-2d-connect", _mask_weights, (source, r1, c1, target, r2, c2, xs, ys, xz, yz))


@net_word("equal-mask-2d-connect", "iterative")
def equal_mask_2d_connect(
    interpreter: Interpreter,
    source: Form,
    r1: Form,
    c1: Form,
    target: Form,
    r2: Form,
    c2: Form,
    xs: Form,
    ys: Form,
    xz: Form,
    yz: Form,
) -> Form:
    """(equal-mask-2d-connect L1 r1 c1 L2 r2 c2 xstep ystep xsize ysize): like local-2d-connect, with one weight

    All connections share this weight.
    """
    return _connect_2d(
        interpreter,
        "equal-mask-2d-connect",
        _single_weight,
        (source, r1, c1, target, r2, c2, xs, ys, xz, yz),
        "mask-2d-connect",
    )


@net_word("local-toric-connect")
def local_toric_connect(
    interpreter: Interpreter,
    source: Form,
    r1: Form,
    c1: Form,
    target: Form,
    r2: Form,
    c2: Form,
    xs: Form,
    ys: Form,
    xz: Form,
    yz: Form,
) -> Form:
    """(local-toric-connect L1 r1 c1 L2 r2 c2 xstep ystep xsize ysize): local-2d-connect with windows that wrap around

    A window that leaves L1 on one side continues on the other side.
    """
    return _connect_2d(
        interpreter,
        "local-toric-connect",
        _separate_weights,
        (source, r1, c1, target, r2, c2, xs, ys, xz, yz),
        toric=True,
    )


@net_word("mask-toric-connect", "iterative")
def mask_toric_connect(
    interpreter: Interpreter,
    source: Form,
    r1: Form,
    c1: Form,
    target: Form,
    r2: Form,
    c2: Form,
    xs: Form,
    ys: Form,
    xz: Form,
    yz: Form,
) -> Form:
    """(mask-toric-connect L1 r1 c1 L2 r2 c2 xstep ystep xsize ysize): mask-2d-connect with windows that wrap around

    A window that leaves L1 on one side continues on the other side.
    """
    return _connect_2d(
        interpreter, "mask-toric-connect", _mask_weights, (source, r1, c1, target, r2, c2, xs, ys, xz, yz), toric=True
    )


@net_word("mask-2d-reverse", "iterative")
def mask_2d_reverse(
    interpreter: Interpreter,
    source: Form,
    rs: Form,
    cs: Form,
    target: Form,
    rb: Form,
    cb: Form,
    xs: Form,
    ys: Form,
    xz: Form,
    yz: Form,
) -> Form:
    """(mask-2d-reverse L1 r1 c1 L2 r2 c2 xstep ystep xsize ysize): connects each unit of L1 to a window of L2

    L2 is larger than L1. All windows share the same xsize x ysize weights.
    """
    builder = _Builder(interpreter, "mask-2d-reverse")
    r, c = builder.sizes(1, rs, cs)
    rows, columns, dx, dy, width, height = builder.sizes(4, rb, cb, xs, ys, xz, yz)
    inputs, outputs = builder.layer(source, r, c), builder.layer(target, rows, columns)
    windows = builder.windows_2d(outputs, (r, c), (dy, dx), (height, width))
    return builder.join(inputs.reshape(-1, 1), windows, _mask_weights(windows))


@net_word("tdnn-connect", "iterative")
def tdnn_connect(
    interpreter: Interpreter,
    source: Form,
    frames1: Form,
    traits1: Form,
    target: Form,
    frames2: Form,
    traits2: Form,
    step: Form,
    size: Form,
) -> Form:
    """(tdnn-connect L1 frames1 traits1 L2 frames2 traits2 step size): connects each frame of L2 to size frames of L1

    The windows of frames begin step frames apart, and share their weights.
    """
    builder = _Builder(interpreter, "tdnn-connect", "tdnn-connect:[benign warning] bad frame numbers.")
    n, p = builder.sizes(1, frames1, traits1)
    m, q, by, width = builder.sizes(4, frames2, traits2, step, size)
    inputs, outputs = builder.layer(source, n, p), builder.layer(target, m, q)
    builder.interpreter.budget.check_matrix(m * width * p * q, builder.caller)
    frames = inputs[builder.windows_1d(np.arange(n), m, by, width)].reshape(m, width * p, 1)
    return builder.join(frames, outputs[:, None, :], np.arange(width * p * q).reshape(1, width * p, q))


# Biases


@net_word("bias-connect")
def bias_connect(interpreter: Interpreter, layer: Form) -> Form:
    """(bias-connect layer): connects the bias unit to each unit of the layer, each with its own weight"""
    return interpreter.call("connect", 0.0, layer)


@net_word("shared-bias-connect", "iterative")
def shared_bias_connect(interpreter: Interpreter, layer: Form) -> Form:
    """(shared-bias-connect layer): connects the bias unit to each unit of the layer, all with one shared weight"""
    builder = _Builder(interpreter, "shared-bias-connect")
    units = builder.net.units(layer, builder.caller).array
    if not len(units):
        raise CallError(
            "shared-bias-connect: the layer is empty", 0, "give a layer with units, such as hidden of (build-net ...)"
        )
    return builder.join(np.zeros(1, int), units, np.zeros(1, int))


@net_word("tdnn-bias-connect", "iterative")
def tdnn_bias_connect(interpreter: Interpreter, layer: Form, frames: Form, traits: Form) -> Form:
    """(tdnn-bias-connect layer frames traits): connects the bias unit to the layer, with one shared weight per trait"""
    builder = _Builder(interpreter, "tdnn-bias-connect")
    m, q = builder.sizes(1, frames, traits)
    return builder.join(np.zeros((1, 1), int), builder.layer(layer, m, q), np.arange(q)[None, :])
