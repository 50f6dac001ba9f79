"""Layers joined by windows, shared masks and biases: the words of connect.sn, with their exact geometry.

See docs/reference/sn28.md, section 3.16.

Layers are lists by rows. Sizes of a layer are given as rows and columns, steps and sizes of a window as columns and
rows (x first). Windows begin at the top left; one that would leave the layer is pushed back inside, so that sizes
that do not fit give a warning and windows that overlap more, as in SN. Connections are made window by window, in
reading order; within a window from its first unit to its last.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import whole
from snsim.language.forms import Form
from snsim.language.procedures import CallError
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import Netspace

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

Windows = np.ndarray  # (windows, units of a window) units
Share = Callable[[Windows], np.ndarray]  # the weight of each connection, from 0, in a shape that spreads to theirs


# Where windows begin


def _axis(who: str, source: int, target: int, step: int, size: int, toric: bool) -> np.ndarray:
    """The places, along one axis, of each window: shape (target, size)."""
    if toric:
        if not step <= size <= source:
            raise CallError(
                f"{who}: a window of {size} with a step of {step} does not go around {source} units",
                None,
                f"write a window that is not smaller than its step, and at most {source}",
            )
        starts = np.minimum(np.arange(target) * step, source - step)
        return (starts[:, None] + np.arange(size)) % source
    if size > source:
        raise CallError(
            f"{who}: a window of {size} does not fit in the {source} units there are",
            None,
            f"write at most {source}; a window is given as columns, rows, a layer as rows, columns",
        )
    return np.minimum(np.arange(target) * step, source - size)[:, None] + np.arange(size)


def _fits(source: int, target: int, step: int, size: int, toric: bool) -> bool:
    return source == target * step if toric else source == (target - 1) * step + size


class _Builder:
    """One call of a word: its arguments read, its windows laid, its connections made."""

    def __init__(self, interpreter: Interpreter, who: str, warning: str = ""):
        self.interpreter, self.who = interpreter, who
        self.warning = warning or f"{who}:[warning]:inexact layer size."
        self.net = interpreter.part(Netspace)

    def sizes(self, first_argument: int, *given: Form) -> list[int]:
        """Sizes and steps, 1 or more."""
        for i, x in enumerate(given, first_argument):
            if not isinstance(x, float):
                raise CallError(
                    f"{self.who}: {self.interpreter.describe(x)} is no size and no step",
                    i,
                    f"`snsim help {self.who}` tells in what order they stand",
                )
        numbers = [whole(self.who, x, i) for i, x in enumerate(given, first_argument)]
        for i, n in enumerate(numbers, first_argument):
            if n < 1:
                raise CallError(f"{self.who}: {n} is no size and no step", i, "write 1 or more")
        return numbers

    def layer(self, given: Form, *sizes: int) -> np.ndarray:
        """The units of a layer, shape `sizes`."""
        units = self.net.units(given, self.who).array
        if len(units) != math.prod(sizes):
            raise CallError(
                f"{self.who}: {' x '.join(map(str, sizes))} units are announced, the layer has {len(units)}",
                None,
                f"write sizes whose product is {len(units)}",
            )
        shaped: np.ndarray = units.reshape(sizes)
        return shaped

    def warn_unless(self, fits: bool) -> None:
        if not fits:
            self.interpreter.print_text(self.warning + "\n")

    def windows_1d(self, source: np.ndarray, target: int, step: int, size: int) -> Windows:
        self.interpreter.budget.check_matrix(target * size, self.who)
        self.warn_unless(_fits(len(source), target, step, size, False))
        windows: Windows = source[_axis(self.who, len(source), target, step, size, False)]
        return windows

    def windows_2d(
        self,
        source: np.ndarray,
        target: tuple[int, int],
        step: tuple[int, int],
        size: tuple[int, int],
        toric: bool = False,
    ) -> Windows:
        """All pairs in rows, columns."""
        self.interpreter.budget.check_matrix(target[0] * target[1] * size[0] * size[1], self.who)
        axes = list(zip(source.shape, target, step, size))
        self.warn_unless(all(_fits(*axis, toric) for axis in axes))
        rows, columns = (_axis(self.who, *axis, toric) for axis in axes)
        laid: Windows = source[rows[:, None, :, None], columns[None, :, None, :]]
        return laid.reshape(target[0] * target[1], size[0] * size[1])

    def join(self, pre: np.ndarray, post: np.ndarray, weights: np.ndarray) -> Form:
        """Make connections, in this order; `weights` are their weights, counted from 0 for the first new one."""
        pres, posts, places = (np.ascontiguousarray(end).reshape(-1) for end in np.broadcast_arrays(pre, post, weights))
        self.net.join(pres, posts, places, self.who, fresh=int(places.max()) + 1)
        return float(len(pres))


def _apart(windows: Windows) -> np.ndarray:
    """A weight for every connection."""
    return np.arange(windows.size).reshape(windows.shape)


def _mask(windows: Windows) -> np.ndarray:
    """A weight for every place of the window."""
    return np.arange(windows.shape[1])[None, :]


def _one(windows: Windows) -> np.ndarray:
    return np.zeros((1, 1), int)


def _connect_1d(
    interpreter: Interpreter, who: str, share: Share, arguments: tuple[Form, ...], warned_as: str = ""
) -> Form:
    source, n, target, m, step, size = arguments
    builder = _Builder(interpreter, who, f"{warned_as or who}:[warning]:inexact layer size.")
    (source_size,) = builder.sizes(1, n)
    target_size, by, width = builder.sizes(3, m, step, size)
    seen, seeing = builder.layer(source, source_size), builder.layer(target, target_size)
    windows = builder.windows_1d(seen, target_size, by, width)
    return builder.join(windows, seeing[:, None], share(windows))


def _connect_2d(
    interpreter: Interpreter,
    who: str,
    share: Share,
    arguments: tuple[Form, ...],
    warned_as: str = "",
    toric: bool = False,
) -> Form:
    source, rows, columns, target, to_rows, to_columns, *window = arguments
    builder = _Builder(interpreter, who, f"{warned_as or who}:[warning]:inexact layer size.")
    from_size = builder.sizes(1, rows, columns)
    r, c, xs, ys, xz, yz = builder.sizes(4, to_rows, to_columns, *window)
    seen, seeing = builder.layer(source, *from_size), builder.layer(target, r, c)
    windows = builder.windows_2d(seen, (r, c), (ys, xs), (yz, xz), toric)
    return builder.join(windows, seeing.reshape(-1, 1), share(windows))


# Windows


@net_word("local-1d-connect")
def local_1d_connect(
    interpreter: Interpreter, source: Form, n: Form, target: Form, m: Form, step: Form, size: Form
) -> Form:
    """(local-1d-connect L1 n1 L2 n2 step size): each unit of L2 sees a window of L1, with weights of its own"""
    return _connect_1d(interpreter, "local-1d-connect", _apart, (source, n, target, m, step, size))


@net_word("mask-1d-connect", "iterative")
def mask_1d_connect(
    interpreter: Interpreter, source: Form, n: Form, target: Form, m: Form, step: Form, size: Form
) -> Form:
    """(mask-1d-connect L1 n1 L2 n2 step size): as local-1d-connect, all windows with the same weights"""
    return _connect_1d(interpreter, "mask-1d-connect", _mask, (source, n, target, m, step, size))


@net_word("equal-mask-1d-connect", "iterative")
def equal_mask_1d_connect(
    interpreter: Interpreter, source: Form, n: Form, target: Form, m: Form, step: Form, size: Form
) -> Form:
    """(equal-mask-1d-connect L1 n1 L2 n2 step size): as local-1d-connect, one weight for all connections"""
    return _connect_1d(
        interpreter, "equal-mask-1d-connect", _one, (source, n, target, m, step, size), "mask-1d-connect"
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
    """(local-2d-connect L1 r1 c1 L2 r2 c2 xstep ystep xsize ysize): each unit of L2 sees a window of L1"""
    return _connect_2d(interpreter, "local-2d-connect", _apart, (source, r1, c1, target, r2, c2, xs, ys, xz, yz))


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
    """(mask-2d-connect L1 r1 c1 L2 r2 c2 xstep ystep xsize ysize): as local-2d-connect, windows share their weights"""
    return _connect_2d(interpreter, "mask-2d-connect", _mask, (source, r1, c1, target, r2, c2, xs, ys, xz, yz))


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
    """(equal-mask-2d-connect L1 r1 c1 L2 r2 c2 xstep ystep xsize ysize): as local-2d-connect, one weight for all"""
    return _connect_2d(
        interpreter, "equal-mask-2d-connect", _one, (source, r1, c1, target, r2, c2, xs, ys, xz, yz), "mask-2d-connect"
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
    """(local-toric-connect L1 r1 c1 L2 r2 c2 xstep ystep xsize ysize): as local-2d-connect, windows wrap around"""
    return _connect_2d(
        interpreter, "local-toric-connect", _apart, (source, r1, c1, target, r2, c2, xs, ys, xz, yz), toric=True
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
    """(mask-toric-connect L1 r1 c1 L2 r2 c2 xstep ystep xsize ysize): as mask-2d-connect, windows wrap around"""
    return _connect_2d(
        interpreter, "mask-toric-connect", _mask, (source, r1, c1, target, r2, c2, xs, ys, xz, yz), toric=True
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
    """(mask-2d-reverse L1 r1 c1 L2 r2 c2 xstep ystep xsize ysize): each unit of L1 feeds a window of the larger L2"""
    builder = _Builder(interpreter, "mask-2d-reverse")
    r, c = builder.sizes(1, rs, cs)
    rows, columns, dx, dy, width, height = builder.sizes(4, rb, cb, xs, ys, xz, yz)
    feeding, fed = builder.layer(source, r, c), builder.layer(target, rows, columns)
    windows = builder.windows_2d(fed, (r, c), (dy, dx), (height, width))
    return builder.join(feeding.reshape(-1, 1), windows, _mask(windows))


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
    """(tdnn-connect L1 frames1 traits1 L2 frames2 traits2 step size): each frame of L2 sees `size` frames of L1"""
    builder = _Builder(interpreter, "tdnn-connect", "tdnn-connect:[benign warning] bad frame numbers.")
    n, p = builder.sizes(1, frames1, traits1)
    m, q, by, width = builder.sizes(4, frames2, traits2, step, size)
    seen, seeing = builder.layer(source, n, p), builder.layer(target, m, q)
    builder.interpreter.budget.check_matrix(m * width * p * q, builder.who)
    frames = seen[builder.windows_1d(np.arange(n), m, by, width)].reshape(m, width * p, 1)
    return builder.join(frames, seeing[:, None, :], np.arange(width * p * q).reshape(1, width * p, q))


# Biases


@net_word("bias-connect")
def bias_connect(interpreter: Interpreter, layer: Form) -> Form:
    """(bias-connect layer): every unit has a bias of its own"""
    return interpreter.call("connect", 0.0, layer)


@net_word("shared-bias-connect", "iterative")
def shared_bias_connect(interpreter: Interpreter, layer: Form) -> Form:
    """(shared-bias-connect layer): all units have one bias"""
    builder = _Builder(interpreter, "shared-bias-connect")
    units = builder.net.units(layer, builder.who).array
    if not len(units):
        raise CallError(
            "shared-bias-connect: the layer is empty", 0, "give a layer with units, such as hidden of (build-net ...)"
        )
    return builder.join(np.zeros(1, int), units, np.zeros(1, int))


@net_word("tdnn-bias-connect", "iterative")
def tdnn_bias_connect(interpreter: Interpreter, layer: Form, frames: Form, traits: Form) -> Form:
    """(tdnn-bias-connect layer frames traits): the units of a trait, in all frames, have one bias"""
    builder = _Builder(interpreter, "tdnn-bias-connect")
    m, q = builder.sizes(1, frames, traits)
    return builder.join(np.zeros((1, 1), int), builder.layer(layer, m, q), np.arange(q)[None, :])
