"""What is plotted while a net learns: error and performance by age, the error of each pattern, the net itself.

See docs/reference/sn28.md, sections 3.10 and 3.13. The windows and ports are in the variables that SN's library used
for them, and what draws in them is called by name, so that a program may replace it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from snsim.language.builtins.arithmetic import number
from snsim.language.builtins.strings import text
from snsim.language.forms import NIL, Form, symbol
from snsim.language.procedures import CallError
from snsim.sn28.graphics.canvas import Screen, Window
from snsim.sn28.graphics.plots import Four, Port, draw_box, make_port, marker_named, nice_box, round_range, steps
from snsim.sn28.runtime.file_lookup import Files
from snsim.sn28.runtime.settings import number_in, training_range
from snsim.sn28.runtime.vocabulary import word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_WIDTH, _HEIGHT = 512, 380  # of a window of curves
_ERRORS = "Average NMSE"  # SN's name for half the mean squared error of an output
_PERCENT = "Performance (%)"
_POINTS = 100  # of a plotted function
_MARKERS = ("open-circle", "closed-circle", "open-square", "closed-square")


def _axes(
    interpreter: Interpreter,
    title: str,
    label: str,
    corners: Four,
    window: Window | None = None,
    y_step: float | None = None,
) -> tuple[Window, Port]:
    """A window with axes between these corners of the data, and the port to plot in it."""
    window = window or interpreter.part(Screen).open(_WIDTH, _HEIGHT, title)
    window.clear()
    port = make_port(title, nice_box(window), corners, marker_named(interpreter, "open-circle"))
    draw_box(interpreter, window, port.box, steps(corners[0], corners[2]), steps(corners[1], corners[3], y_step), label)
    return window, port


def _ages(interpreter: Interpreter, name: str, sweeps: Form) -> tuple[float, float]:
    """The ages from now on for a number of sweeps."""
    first, last = training_range(interpreter)
    count, age = number(name, sweeps), number_in(interpreter, "age", 0.0)
    if not count > 0:
        raise CallError(
            f"{name}: {count:g} sweeps are no axis", 0, "write the number of sweeps that the axis is for, such as 20"
        )
    return age, age + count * (last - first + 1)


def _window_in(interpreter: Interpreter, variable: str) -> Window | None:
    value = interpreter.lookup(variable)
    return value if isinstance(value, Window) else None


def _start(interpreter: Interpreter, kind: str, title: str, label: str, corners: Four) -> None:
    """Open or clear the window for `error` or `perf`, with a port for the training set and one for the test set."""
    window, port = _axes(interpreter, title, label, corners, _window_in(interpreter, f"{kind}-plotting-window"))
    tests = Port(port.box, port.range, marker_named(interpreter, "closed-circle"))
    for variable, value in (
        (f"{kind}-plotting-window", window),
        (f"training-{kind}-port", port),
        (f"test-{kind}-port", tests),
    ):
        interpreter.assign_global(symbol(variable), value)


def _cancel(interpreter: Interpreter, kind: str) -> Form:
    for variable in (f"{kind}-plotting-window", f"training-{kind}-port", f"test-{kind}-port"):
        interpreter.assign_global(symbol(variable), NIL)
    return NIL


@word("init-error-plotting")
def init_error_plotting(interpreter: Interpreter, sweeps: Form, most: Form) -> Form:
    """(init-error-plotting n max): from now on run and trun plot the mean error, for n sweeps and up to max"""
    first, last = _ages(interpreter, "init-error-plotting", sweeps)
    _start(
        interpreter, "error", "error", f"{_ERRORS} by age", (first, 0.0, last, number("init-error-plotting", most, 1))
    )
    return NIL


@word("init-perf-plotting")
def init_perf_plotting(interpreter: Interpreter, sweeps: Form) -> Form:
    """(init-perf-plotting n): from now on run and trun plot the percentage of good answers, for n sweeps"""
    first, last = _ages(interpreter, "init-perf-plotting", sweeps)
    _start(interpreter, "perf", "performance", f"{_PERCENT} by age", (first, 0.0, last, 100.0))
    return NIL


@word("cancel-error-plotting")
def cancel_error_plotting(interpreter: Interpreter) -> Form:
    """(cancel-error-plotting): the mean error is not plotted any more"""
    return _cancel(interpreter, "error")


@word("cancel-perf-plotting")
def cancel_perf_plotting(interpreter: Interpreter) -> Form:
    """(cancel-perf-plotting): the percentage of good answers is not plotted any more"""
    return _cancel(interpreter, "perf")


def _reset(interpreter: Interpreter, which: str) -> Form:
    for kind in ("error", "perf"):
        port = interpreter.lookup(f"{which}-{kind}-port")
        if isinstance(port, Port):
            port.pen = None
    return NIL


@word("reset-training-ports")
def reset_training_ports(interpreter: Interpreter) -> Form:
    """(reset-training-ports): the next point of the training set begins a new curve"""
    return _reset(interpreter, "training")


@word("reset-test-ports")
def reset_test_ports(interpreter: Interpreter) -> Form:
    """(reset-test-ports): the next point of the test set begins a new curve"""
    return _reset(interpreter, "test")


def _plot_measured(interpreter: Interpreter, which: str) -> Form:
    for kind, value in (("error", "global-error"), ("perf", "good-an-percent")):
        port, window = interpreter.lookup(f"{which}-{kind}-port"), _window_in(interpreter, f"{kind}-plotting-window")
        if isinstance(port, Port) and window is not None:
            x, y = number_in(interpreter, "age"), number_in(interpreter, value)
            _point(interpreter, port, window, x, y)
    return NIL


def _point(interpreter: Interpreter, port: Port, window: Window, x: float, y: float) -> None:
    """Go on with a curve, and mark the point."""
    port.draw(window, x, y, interpreter)
    interpreter.bind(symbol("window"), window)  # what a marker draws in
    try:
        port.mark(window, x, y, interpreter)
    finally:
        interpreter.unbind(symbol("window"))


@word("auto-plot-training")
def auto_plot_training(interpreter: Interpreter) -> Form:
    """(auto-plot-training): plot what was measured on the training set, where plotting was asked for"""
    return _plot_measured(interpreter, "training")


@word("auto-plot-test")
def auto_plot_test(interpreter: Interpreter) -> Form:
    """(auto-plot-test): plot what was measured on the test set, where plotting was asked for"""
    return _plot_measured(interpreter, "test")


# While each pattern is learned


@word("init-disp-error")
def init_disp_error(interpreter: Interpreter, sweeps: Form = 10.0, most: Form = 4.0) -> Form:
    """(init-disp-error [n max]): a window for the error of each pattern, for n (10) sweeps and up to max (4)"""
    first, last = _ages(interpreter, "init-disp-error", sweeps)
    window, port = _axes(
        interpreter,
        "instantaneous error",
        "Error of each pattern by age",
        (first, 0.0, last, number("init-disp-error", most, 1)),
        _window_in(interpreter, "disp-error-window"),
    )
    interpreter.assign_global(symbol("disp-error-window"), window)
    interpreter.assign_global(symbol("disp-error-port"), port)
    return NIL


@word("plot-error")
def plot_error(interpreter: Interpreter, age: Form, error: Form) -> Form:
    """(plot-error age e): a point of the curve that init-disp-error began; a full window is begun anew"""
    x, y = number("plot-error", age), number("plot-error", error, 1)
    port = interpreter.lookup("disp-error-port")
    if not isinstance(port, Port) or not port.range[0] <= x <= port.range[2]:
        interpreter.call("init-disp-error")
        port = interpreter.lookup("disp-error-port")
    window = _window_in(interpreter, "disp-error-window")
    if isinstance(port, Port) and window is not None:
        port.draw(window, x, y, interpreter)
    return NIL


@word("disp-error")
def disp_error(interpreter: Interpreter, n: Form) -> Form:
    """(disp-error n): plot the error of the pattern that was just presented"""
    interpreter.call("plot-error", number_in(interpreter, "age"), number_in(interpreter, "local-error"))
    return NIL


@word("disp-net")
def disp_net(interpreter: Interpreter, n: Form) -> Form:
    """(disp-net n): show the net by the program's own function (draw-net layers n)"""
    if interpreter.procedure(symbol("draw-net")) is None:
        raise CallError(
            "disp-net: nothing says how the net is drawn",
            None,
            "define (de draw-net (layers n) ...), which draws it in a window",
        )
    return interpreter.call("draw-net", interpreter.lookup("net-struc"), n)


@word("disp-everything")
def disp_everything(interpreter: Interpreter, n: Form) -> Form:
    """(disp-everything n): text, error and net of the pattern that was just presented"""
    for display in ("disp-text", "disp-error", "disp-net"):
        interpreter.call(display, n)
    return NIL


# Functions and files


@word("plot-nlf")
def plot_nlf(interpreter: Interpreter, x1: Form, x2: Form) -> Form:
    """(plot-nlf x1 x2): plot the non-linearity and its two derivatives from x1 to x2 in a window"""
    low, high = number("plot-nlf", x1), number("plot-nlf", x2, 1)
    places = [low + (high - low) * i / (_POINTS - 1) for i in range(_POINTS)]
    curves = [
        [number("plot-nlf", interpreter.apply(interpreter.lookup(name), [x]), None) for x in places]
        for name in ("nlf", "dnlf", "ddnlf")
    ]
    values = [value for curve in curves for value in curve if math.isfinite(value)]
    bottom, top, step = round_range(min(values, default=0.0), max(values, default=0.0))
    window, port = _axes(
        interpreter, "non-linearity", "nlf, dnlf (blue) and ddnlf (red)", (low, bottom, high, top), y_step=step
    )
    for curve, color in zip(curves, ((0, 0, 0), (0, 0, 200), (200, 0, 0))):
        window.color, port.pen = color, None
        for x, y in zip(places, curve):
            port.draw(window, x, y, interpreter)
    window.color = (0, 0, 0)
    return NIL


Measured = dict[str, list[tuple[float, float, float]]]  # for each range of patterns, (age, error, percent)


@word("plot-perf-file")
def plot_perf_file(interpreter: Interpreter, name: Form) -> Form:
    """(plot-perf-file file): plot the performance and the error that a log file tells of, in two windows"""
    path = interpreter.part(Files).to_read(text("plot-perf-file", name), ".perf")
    measured = _read_log(interpreter.part(Files).content(path).decode("latin-1"))
    if not measured:
        raise CallError(f"{path} tells of no measurement", 0, "(setq perf-file name) makes perf write one")
    points = [point for curve in measured.values() for point in curve]
    ages = [point[0] for point in points]
    first, last = min(ages), max(max(ages), min(ages) + 1.0)
    errors = [error for _, error, _ in points if math.isfinite(error)]
    _, worst, step = round_range(0.0, max(errors, default=0.0) or 1.0)
    plots = [
        (*_axes(interpreter, f"performance of {path.name}", f"{_PERCENT} by age", (first, 0.0, last, 100.0)), 2),
        (*_axes(interpreter, f"error of {path.name}", f"{_ERRORS} by age", (first, 0.0, last, worst), y_step=step), 1),
    ]
    for i, (patterns, curve) in enumerate(measured.items()):
        name_of_marker = _MARKERS[i % len(_MARKERS)]
        interpreter.print_text(f"{name_of_marker}: {patterns}\n")
        marker = marker_named(interpreter, name_of_marker)
        for window, port, field in plots:
            _plot_curve(interpreter, window, Port(port.box, port.range, marker), curve, field)
    return NIL


def _plot_curve(
    interpreter: Interpreter, window: Window, port: Port, curve: list[tuple[float, float, float]], field: int
) -> None:
    """A curve; where the age does not grow, another begins."""
    last = float("-inf")
    for point in curve:
        if point[0] <= last:
            port.pen = None
        last = point[0]
        _point(interpreter, port, window, point[0], point[field])


def _read_log(log: str) -> Measured:
    """The lines `age error percent ;{a-b}` of a log, by what stands in the braces; comments are passed over."""
    measured: Measured = {}
    for line in log.splitlines():
        head, _, patterns = line.partition(";")
        fields = head.split()
        if len(fields) == 3 and patterns:
            try:
                age, error, percent = map(float, fields)
            except ValueError:
                continue
            if math.isfinite(age):
                measured.setdefault(patterns.strip(), []).append((age, error, percent))
    return measured
