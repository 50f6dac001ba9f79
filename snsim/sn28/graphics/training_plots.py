"""Plot error and performance while a net learns, display the net, and plot non-linearities and log files.

See docs/reference/sn28.md, sections 3.10 and 3.13. Windows and ports are in the same variables as in SN's library, and
drawing functions are called by name, so that a program can replace them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from snsim.language.builtins.arithmetic import number
from snsim.language.builtins.strings import text
from snsim.language.forms import NIL, Form, symbol
from snsim.language.procedures import CallError
from snsim.runtime.file_lookup import ProgramFiles
from snsim.runtime.settings import OUTPUT, layer_in, number_in, training_range
from snsim.runtime.vocabulary import word
from snsim.sn28.graphics.canvas import Screen, Window
from snsim.sn28.graphics.plots import (
    Port,
    Rectangle,
    axis_labels,
    draw_box,
    make_port,
    marker_named,
    nice_box,
    round_range,
)

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_WIDTH, _HEIGHT = 512, 380  # of a window with curves, in pixels
_ERRORS = "Average NMSE"  # SN's name for half the mean squared error of an output
_PERCENT = "Performance (%)"
_POINTS = 100  # per plotted function
_LEGEND_RULE = "-" * 30
_MARKERS = ("open-circle", "closed-circle", "open-square", "closed-square")


def _open_axes(
    interpreter: Interpreter,
    title: str,
    label: str,
    corners: Rectangle,
    window: Window | None = None,
    y_step: float | None = None,
) -> tuple[Window, Port]:
    """Open or clear a window, draw axes for a range of data, and return the window and its plot port."""
    window = window or interpreter.part(Screen).open(_WIDTH, _HEIGHT, title)
    window.clear()
    port = make_port(title, nice_box(window), corners, marker_named(interpreter, "open-circle"))
    draw_box(
        interpreter,
        window,
        port.box,
        axis_labels(corners[0], corners[2]),
        axis_labels(corners[1], corners[3], y_step),
        label,
    )
    return window, port


def _ages(interpreter: Interpreter, name: str, sweeps: Form) -> tuple[float, float]:
    """Return the present age, and the age after a number of sweeps."""
    first, last = training_range(interpreter)
    count, age = number(name, sweeps), number_in(interpreter, "age", 0.0)
    if not count > 0:
        raise CallError(
            f"{name}: cannot draw an axis of {count:g} sweeps", 0, "write a positive number of sweeps, such as 20"
        )
    return age, age + count * (last - first + 1)


def _window_in(interpreter: Interpreter, variable: str) -> Window | None:
    value = interpreter.lookup(variable)
    return value if isinstance(value, Window) else None


def _start_plotting(interpreter: Interpreter, quantity: str, title: str, label: str, corners: Rectangle) -> None:
    """Open or clear the window for "error" or "perf", with plot ports for the training and the test set."""
    window, port = _open_axes(
        interpreter, title, label, corners, _window_in(interpreter, f"{quantity}-plotting-window")
    )
    tests = Port(port.box, port.range, marker_named(interpreter, "closed-circle"))
    for variable, value in (
        (f"{quantity}-plotting-window", window),
        (f"training-{quantity}-port", port),
        (f"test-{quantity}-port", tests),
    ):
        interpreter.assign_global(symbol(variable), value)


def _cancel_plotting(interpreter: Interpreter, quantity: str) -> Form:
    for variable in (f"{quantity}-plotting-window", f"training-{quantity}-port", f"test-{quantity}-port"):
        interpreter.assign_global(symbol(variable), NIL)
    return NIL


@word("init-error-plotting")
def init_error_plotting(interpreter: Interpreter, sweeps: Form, most: Form) -> Form:
    """(init-error-plotting n max): makes run and trun plot the mean error, up to max, over the next n sweeps"""
    first, last = _ages(interpreter, "init-error-plotting", sweeps)
    _start_plotting(
        interpreter, "error", "error", f"{_ERRORS} by age", (first, 0.0, last, number("init-error-plotting", most, 1))
    )
    return NIL


@word("init-perf-plotting")
def init_perf_plotting(interpreter: Interpreter, sweeps: Form) -> Form:
    """(init-perf-plotting n): makes run and trun plot the percentage of good answers over the next n sweeps"""
    first, last = _ages(interpreter, "init-perf-plotting", sweeps)
    _start_plotting(interpreter, "perf", "performance", f"{_PERCENT} by age", (first, 0.0, last, 100.0))
    return NIL


@word("cancel-error-plotting")
def cancel_error_plotting(interpreter: Interpreter) -> Form:
    """(cancel-error-plotting): stops plotting the mean error"""
    return _cancel_plotting(interpreter, "error")


@word("cancel-perf-plotting")
def cancel_perf_plotting(interpreter: Interpreter) -> Form:
    """(cancel-perf-plotting): stops plotting the percentage of good answers"""
    return _cancel_plotting(interpreter, "perf")


def _lift_pens(interpreter: Interpreter, pattern_set: str) -> Form:
    for quantity in ("error", "perf"):
        port = interpreter.lookup(f"{pattern_set}-{quantity}-port")
        if isinstance(port, Port):
            port.pen = None
    return NIL


@word("reset-training-ports")
def reset_training_ports(interpreter: Interpreter) -> Form:
    """(reset-training-ports): makes the next points of the training set start new curves"""
    return _lift_pens(interpreter, "training")


@word("reset-test-ports")
def reset_test_ports(interpreter: Interpreter) -> Form:
    """(reset-test-ports): makes the next points of the test set start new curves"""
    return _lift_pens(interpreter, "test")


def _plot_measured(interpreter: Interpreter, pattern_set: str) -> Form:
    for quantity, value in (("error", "global-error"), ("perf", "good-an-percent")):
        port, window = (
            interpreter.lookup(f"{pattern_set}-{quantity}-port"),
            _window_in(interpreter, f"{quantity}-plotting-window"),
        )
        if isinstance(port, Port) and window is not None:
            x, y = number_in(interpreter, "age"), number_in(interpreter, value)
            _plot_point(interpreter, port, window, x, y)
    return NIL


def _plot_point(interpreter: Interpreter, port: Port, window: Window, x: float, y: float) -> None:
    """Continue a curve to a point, and mark the point."""
    port.draw(window, x, y, interpreter)
    interpreter.bind(symbol("window"), window)  # markers draw in the current window
    try:
        port.mark(window, x, y, interpreter)
    finally:
        interpreter.unbind(symbol("window"))


@word("auto-plot-training")
def auto_plot_training(interpreter: Interpreter) -> Form:
    """(auto-plot-training): adds the last error and percentage of the training patterns to their plots

    A plot exists after init-error-plotting or init-perf-plotting.
    """
    return _plot_measured(interpreter, "training")


@word("auto-plot-test")
def auto_plot_test(interpreter: Interpreter) -> Form:
    """(auto-plot-test): adds the last error and percentage of the test patterns to their plots

    A plot exists after init-error-plotting or init-perf-plotting.
    """
    return _plot_measured(interpreter, "test")


# While each pattern is learned


@word("init-disp-error")
def init_disp_error(interpreter: Interpreter, sweeps: Form = 10.0, most: Form = 4.0) -> Form:
    """(init-disp-error [n max]): opens a window that plots the error of each pattern learned

    Its axes show n sweeps, 10 by default, and errors from 0 to max, 4 by default.
    """
    first, last = _ages(interpreter, "init-disp-error", sweeps)
    window, port = _open_axes(
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
    """(plot-error age e): draws the curve of init-disp-error on to the point (age, e)

    If the window is not open, or the age is outside its axis, it first calls (init-disp-error): the axis then starts at
    the value of the variable age.
    """
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
    """(disp-error n): adds the error of the pattern just presented to the window of init-disp-error; n has no effect"""
    interpreter.call("plot-error", number_in(interpreter, "age"), number_in(interpreter, "local-error"))
    return NIL


@word("disp-net")
def disp_net(interpreter: Interpreter, n: Form) -> Form:
    """(disp-net n): draws the net for pattern n by calling the program's own function (draw-net layers n)"""
    if interpreter.procedure(symbol("draw-net")) is None:
        raise CallError(
            "disp-net: the function draw-net is not defined",
            None,
            "define (de draw-net (layers n) ...) to draw the net in a window",
        )
    return interpreter.call("draw-net", interpreter.lookup("net-struc"), n)


@word("disp-everything")
def disp_everything(interpreter: Interpreter, n: Form) -> Form:
    """(disp-everything n): prints the output layer and disp-text, and draws disp-error and disp-net, for pattern n"""
    interpreter.call("print-layer", layer_in(interpreter, OUTPUT))
    for display in ("disp-text", "disp-error", "disp-net"):
        interpreter.call(display, n)
    return NIL


# Functions and files


@word("plot-nlf")
def plot_nlf(interpreter: Interpreter, x1: Form, x2: Form) -> Form:
    """(plot-nlf x1 x2): plots the functions nlf, dnlf and ddnlf from x1 to x2 in a new window"""
    low, high = number("plot-nlf", x1), number("plot-nlf", x2, 1)
    xs = [low + (high - low) * i / (_POINTS - 1) for i in range(_POINTS)]
    curves = [
        [number("plot-nlf", interpreter.apply(interpreter.lookup(name), [x]), None) for x in xs]
        for name in ("nlf", "dnlf", "ddnlf")
    ]
    values = [value for curve in curves for value in curve if math.isfinite(value)]
    bottom, top, step = round_range(min(values, default=0.0), max(values, default=0.0))
    window, port = _open_axes(
        interpreter, "non-linearity", "nlf, dnlf (blue) and ddnlf (red)", (low, bottom, high, top), y_step=step
    )
    for curve, color in zip(curves, ((0, 0, 0), (0, 0, 200), (200, 0, 0))):
        window.color, port.pen = color, None
        for x, y in zip(xs, curve):
            port.draw(window, x, y, interpreter)
    window.color = (0, 0, 0)
    return NIL


Measured = dict[str, list[tuple[float, float, float]]]  # for each range of patterns, (age, error, percent)


@word("plot-perf-file")
def plot_perf_file(interpreter: Interpreter, name: Form) -> Form:
    """(plot-perf-file file): plots the percentages and errors of a log that perf wrote, by age, in two windows"""
    path = interpreter.part(ProgramFiles).readable_path(text("plot-perf-file", name), ".perf")
    measured = _read_log(interpreter.part(ProgramFiles).read(path).decode("latin-1"))
    if not measured:
        raise CallError(
            f"{path} contains no measurements", 0, "set (setq perf-file name) before training, so that perf writes them"
        )
    points = [point for curve in measured.values() for point in curve]
    ages = [point[0] for point in points]
    first, last = min(ages), max(max(ages), min(ages) + 1.0)
    errors = [error for _, error, _ in points if math.isfinite(error)]
    _, worst, step = round_range(0.0, max(errors, default=0.0) or 1.0)
    plots = [
        (*_open_axes(interpreter, f"performance of {path.name}", f"{_PERCENT} by age", (first, 0.0, last, 100.0)), 2),
        (
            *_open_axes(
                interpreter, f"error of {path.name}", f"{_ERRORS} by age", (first, 0.0, last, worst), y_step=step
            ),
            1,
        ),
    ]
    interpreter.print_text(f"\nLegend\n{_LEGEND_RULE}\n")
    for i, (patterns, curve) in enumerate(measured.items()):
        name_of_marker = _MARKERS[i % len(_MARKERS)]
        interpreter.print_text(f"{patterns:>16s} {name_of_marker}\n")
        marker = marker_named(interpreter, name_of_marker)
        for window, port, field in plots:
            _plot_curve(interpreter, window, Port(port.box, port.range, marker), curve, field)
    interpreter.print_text(f"{_LEGEND_RULE}\n")
    return NIL


def _plot_curve(
    interpreter: Interpreter, window: Window, port: Port, curve: list[tuple[float, float, float]], field: int
) -> None:
    """Plot a curve, and start a new one wherever the age does not increase."""
    last = float("-inf")
    for point in curve:
        if point[0] <= last:
            port.pen = None
        last = point[0]
        _plot_point(interpreter, port, window, point[0], point[field])


def _read_log(log: str) -> Measured:
    """Return the lines `age error percent ;{a-b}` of a log, grouped by the text in braces; skip comments."""
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
