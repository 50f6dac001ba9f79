"""The drawing words beyond the library (docs/reference/sn28.md, section 1.11).

Expected pixels and numbers: the sentences of the reference, and the equations of circles and lines.
"""

import colorsys
import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sn28_programs import fault, printed

from snsim.errors import Source
from snsim.language.evaluator import Evaluator
from snsim.program import lisp_functions
from snsim.sn28.graphics.canvas import Block, Curve, Line, Screen
from snsim.sn28.graphics.raster import pixels
from snsim.sn28.graphics.svg import svg


def run_window(text, size="(new-window 100 80)"):
    interpreter = Evaluator(lisp_functions())
    interpreter.run(Source("<test>", size + text))
    return interpreter.part(Screen).windows[0]


def ink(text, size="(new-window 100 80)"):
    """The pixels (x, y) that a program colours."""
    rows, columns = np.nonzero((pixels(run_window(text, size), 1) != 255).any(axis=2))
    return set(zip(columns.tolist(), rows.tolist()))


def angle_of(x, y):
    """The angle of a pixel as seen from (50, 40): from the right, against the clock."""
    return math.degrees(math.atan2(40 - y, x - 50)) % 360


@given(st.integers(0, 359), st.integers(20, 340), st.integers(5, 35))
def test_arcs_lie_on_their_circle_between_their_angles(start, turn, radius):
    outline, sector = (ink(f"({word}-arc 50 40 {radius} {start} {start + turn})") for word in ("draw", "fill"))
    slack = math.degrees(1.5 / radius)
    for x, y in outline:
        assert abs(math.hypot(x - 50, y - 40) - radius) < 1.5
    for x, y in outline | {(x, y) for x, y in sector if math.hypot(x - 50, y - 40) > 0.6 * radius}:
        assert math.hypot(x - 50, y - 40) < radius + 1.5
        assert (angle_of(x, y) - start + 2 * slack) % 360 < turn + 4 * slack
    assert abs(len(sector) - math.pi * radius**2 * turn / 360) < 8 * radius  # its area, but for the border


def test_a_round_rectangle_lacks_its_corners_only():
    filled, square = ink("(fill-round-rect 10 10 60 40 12)"), ink("(fill-rect 10 10 60 40)")
    centre = [(22, 22), (57, 22), (22, 37), (57, 37)]
    missing = square - filled
    assert missing and all(min(math.hypot(x - a, y - b) for a, b in centre) > 10.5 for x, y in missing)
    outline = ink("(draw-round-rect 10 10 60 40 12)")
    assert outline >= {(x, 10) for x in range(22, 58)} | {(70, y) for y in range(22, 38)}
    assert (10, 10) not in outline and ink("(draw-round-rect 10 10 60 40 0)") == ink("(draw-rect 10 10 60 40)")


SHAPES = (
    "(draw-line 0 0 99 79) (fill-circle 40 40 25) (draw-arc 50 40 30 10 200) (fill-rect 60 5 30 60) "
    '(draw-text 5 50 "clipped")'
)


@given(*[st.integers(-10, 90)] * 2, *[st.integers(0, 90)] * 2)
def test_clipping_draws_what_is_inside_the_rectangle_and_nothing_else(x, y, width, height):
    everything = ink(f"(graphics-batch {SHAPES})")
    inside = {(a, b) for a, b in everything if x <= a < x + width and y <= b < y + height}
    assert ink(f"(clip {x} {y} {width} {height}) {SHAPES}") == inside
    assert ink(f"(gsave (clip {x} {y} {width} {height})) {SHAPES}") == everything


def test_clip_and_addclip_return_the_rectangle():
    text = (
        "(new-window) (print (clip) (clip 10 20 30 40) (clip) (addclip '(0 30 20 100)) (clip ()) (addclip '(1 2 3 4)))"
    )
    assert printed(text) == "() (10 20 30 40) (10 20 30 40) (10 30 10 30) () (1 2 3 4)\n"
    assert run_window("(clip 10 10 5 5) (fill-rect 0 0 99 12)").marks == [Block((0, 0, 0), 10, 10, 5, 2)]
    assert run_window("(clip 0 0 0 0) (fill-rect 0 0 99 12) (draw-line 0 0 9 9)").marks == []


def test_an_svg_shows_the_same_marks():
    made = run_window(f"(linestyle 2) (draw-rect 1 1 50 50) (clip 10 20 30 40) {SHAPES}")
    root = ElementTree.fromstring(svg(made))
    parts = list(root.iter("{http://www.w3.org/2000/svg}svg"))[1:]
    assert parts and {part.get("viewBox") for part in parts} == {"10 20 30 40"}
    dashed = [part for part in root.iter() if part.get("stroke-dasharray")]
    assert len(dashed) == 3  # the rectangle, the line and the arc


def test_dashes_leave_gaps_in_a_line():
    whole = ink("(draw-line 0 40 99 40)")
    assert whole == {(x, 40) for x in range(100)}
    for style in range(1, 5):
        part = ink(f"(linestyle {style}) (draw-line 0 40 99 40)")
        assert part < whole and 40 < len(part) < 80
    assert printed("(new-window) (print (linestyle) (linestyle 3) (linestyle))") == "0 3 3\n"
    assert run_window("(linestyle 1) (gsave (linestyle 0)) (draw-line 1 1 2 2)").marks[0].dash == 1


@given(st.floats(-2, 2))
def test_standard_colors_are_a_rainbow(x):
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(x % 1.0, 1, 1))
    assert run_window(f"(color (color-std {x!r})) (draw-line 0 0 1 1)").marks[0].color == (red, green, blue)


@pytest.mark.parametrize(
    ("text", "expected"),
    [  # of the reference
        ("(nice-scale 0 1 .5)", "(0.5 1)"),
        ("(nice-scale -3.2 47)", "(0 10 20 30 40)"),
        ("(nth 9 (nice-scale -1 1))", "-1.38778e-16"),
        ("(rect-2-ppbrect '(1 2 30 40))", "(1 42 31 2)"),
    ],
)
def test_values_of_the_reference(text, expected):
    assert printed(f"(print {text})") == expected + "\n"


@given(st.floats(-100, 100), st.floats(0.1, 1000), st.floats(0, 50))
def test_a_nice_scale_has_round_marks_in_its_range(low, width, least):
    """As the reference builds it: the step is a multiple of a power of ten, the first of at least `step`."""
    high = low + width
    interpreter = Evaluator(lisp_functions())
    marks = list(interpreter.run(Source("<test>", f"(nice-scale {low!r} {high!r} {least * width / 100!r})")) or ())
    power = 10.0 ** math.floor(math.log10((high - low) / 3))
    step = power * max(1, math.ceil(least * width / 100 / power - 1e-9))
    for i, mark in enumerate(marks):
        assert low - 1e-6 * step <= mark <= high and mark == pytest.approx(marks[0] + i * step, abs=1e-6 * step)
        assert mark / step == pytest.approx(round(mark / step), abs=1e-6 * max(1, abs(mark / step)))


def test_text_sizes_are_those_of_the_text_that_is_drawn():
    made = run_window('(font "Helvetica-20") (draw-text 3 40 "abc")')
    left, top, right, bottom = made.marks[0].bounds
    sizes = printed('(new-window) (font "Helvetica-20") (print (text-width "abc") (text-height "abc"))')
    assert sizes == f"{right - left:g} {bottom - top:g}\n"


PORT = "(new-plot-port '(10 70 90 10) '(0 0 8 6))"  # ten pixels for 1, both ways


def test_bars_and_the_color_of_a_port():
    made = run_window(f"{PORT} (plt-color-rgb 1 0 0) (plt-sd 4 3 1.5) (draw-line 1 1 2 2)")
    red, black = (255, 0, 0), (0, 0, 0)
    assert made.marks[0] == Line(red, 50, 55, 50, 25) and made.marks[-1] == Line(black, 1, 1, 2, 2)
    caps = made.marks[1:-1]
    assert [(cap.y1, cap.y2) for cap in caps] == [(55, 55), (25, 25)] and all(cap.color == red for cap in caps)
    cut = run_window(f"{PORT} (plt-sd 4 5.5 1)").marks
    assert cut[0] == Line(black, 50, 25, 50, 10) and len(cut) == 2  # no end where the border cuts the bar
    assert run_window(f"{PORT} (plt-sd 9 3 1)").marks == []
    lists = run_window(f"{PORT} (plot-lists-sd '(1 2) '(3 3) '(1 1))").marks
    assert lists[0] == Line(black, 20, 40, 30, 40) and len(lists) == 1 + 2 * 3


def test_graphs_have_axes_that_hold_the_points():
    for call, least in (("(graph-xy '(1 2) '(3 7) \"g\")", 3), ("(graph-xyv '(1 2) '(3 7) '(5 5) \"g\")", -2)):
        interpreter = Evaluator(lisp_functions())
        port = interpreter.run(Source("<test>", f"(new-window) {call}"))
        x0, y0, x1, y1 = port.range
        assert port is interpreter.lookup("plot-port") and x0 <= 1 < 2 <= x1 and y0 <= least < 7 <= y1
        texts = [mark.text for mark in interpreter.part(Screen).windows[0].marks if hasattr(mark, "text")]
        assert "g" in texts


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("(draw-arc 1 1 -3 0 90)", "radius -3 is negative"),
        ("(draw-arc 1 1 3 0 1e999)", "too large"),
        ("(draw-round-rect 0 0 -1 5)", "is negative"),
        ("(clip 1 2)", "2 arguments given"),
        ("(addclip '(1 2))", "expected a rectangle"),
        ("(linestyle 5)", "there is no pattern 5"),
        ("(nice-scale 1 1)", "1 is not above 1"),
        ("(nice-scale 0 1 1e9)", "has no such steps"),
        ("(plt-sd 1 1 1)", "there is no plot port"),
        ("(graph-xy '(1) '(1 2) \"t\")", "ys has 2 elements but xs has 1"),
        ('(graph-xy () () "t")', "finite numbers"),
        ("(color-std 'a)", "a is not a number"),
    ],
)
def test_what_is_wrong_is_said(text, sentence):
    assert sentence in fault("(new-window)" + text)[0]


def test_words_need_a_window():
    for call in ("(draw-arc 1 1 1 0 9)", "(clip)", "(linestyle)", '(text-width "a")', "(graph-xy '(1) '(1) \"t\")"):
        assert "no window is open" in fault(call)[0]


def test_a_curve_outside_is_dropped():
    assert run_window("(draw-arc 500 500 10 0 90)").marks == []
    assert isinstance(run_window("(draw-arc 50 40 10 0 90)").marks[0], Curve)
