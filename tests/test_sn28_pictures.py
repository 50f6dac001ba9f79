"""What SN programs draw: on a canvas of data, as pixels, as SVG, and in the files of a run folder."""

import struct
import sys
import zlib
from types import ModuleType
from xml.etree import ElementTree

import numpy as np
import pytest
from sn28_programs import fault, printed

from snsim.errors import SnError, Source
from snsim.language.evaluator import Evaluator
from snsim.program import lisp_functions
from snsim.sn28.graphics.canvas import BLACK, GRAY, WHITE, Block, Disc, Frame, Line, Polygon, Screen, Squares, Text
from snsim.sn28.graphics.plots import round_range
from snsim.sn28.graphics.raster import pixels, png
from snsim.sn28.graphics.stroke_font import strokes
from snsim.sn28.graphics.svg import svg

RED = (255, 0, 0)


def window(*marks, width=20, height=16):
    made = Screen().open(width, height, "test")
    for mark in marks:
        made.put(mark)
    return made


def drawn(picture, color=BLACK):
    """The pixels (x, y) of a color."""
    return {(int(x), int(y)) for y, x in np.argwhere((picture == color).all(axis=2))}


@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        (Block(BLACK, 2, 3, 3, 2), {(x, y) for x in (2, 3, 4) for y in (3, 4)}),
        (Block(BLACK, -5, -5, 6, 6), {(0, 0)}),
        (Line(BLACK, 1, 1, 4, 4), {(i, i) for i in range(1, 5)}),
        (Line(BLACK, 3, 2, 3, 2), {(3, 2)}),
        (Frame(BLACK, 1, 1, 3, 2), {(1, 1), (2, 1), (3, 1), (4, 1), (1, 3), (2, 3), (3, 3), (4, 3), (1, 2), (4, 2)}),
        (Disc(BLACK, 5, 5, 1, True), {(5, 5), (4, 5), (6, 5), (5, 4), (5, 6), (4, 4), (4, 6), (6, 4), (6, 6)}),
        (Disc(BLACK, 5, 5, 1, False), {(4, 5), (6, 5), (5, 4), (5, 6), (4, 4), (4, 6), (6, 4), (6, 6)}),
        (Polygon(BLACK, ((0, 0), (4, 0), (4, 4), (0, 4))), {(x, y) for x in range(4) for y in range(4)}),
        (Line(BLACK, 100, 100, 200, 200), set()),
    ],
    ids=lambda value: str(sorted(value)) if isinstance(value, set) else str(value),  # sets have no order of their own
)
def test_marks_color_their_pixels(mark, expected):
    assert drawn(pixels(window(mark), 1)) == expected
    twice = drawn(pixels(window(mark), 2))
    if isinstance(mark, (Block, Frame)):
        assert twice == {(2 * x + i, 2 * y + j) for x, y in expected for i in (0, 1) for j in (0, 1)}


def test_squares_have_the_area_of_their_values_and_lie_in_the_middle():
    printed_window = printed_marks("(draw-list 1 1 '(1 -0.25 0 2) 2 1 8 6)")
    assert printed_window == [Squares(1, 1, 2, 8, (6, 3, 0, 6), (WHITE, BLACK, BLACK, WHITE), GRAY)]
    picture = pixels(window(*printed_window, width=20, height=20), 1)
    assert drawn(picture, GRAY) | drawn(picture, BLACK) | {
        (x, y) for x, y in drawn(picture, WHITE) if 1 <= x <= 16 and 1 <= y <= 16
    } == {(x, y) for x in range(1, 17) for y in range(1, 17)}
    assert {(x, y) for x, y in drawn(picture, WHITE) if x <= 8 and y <= 8 and x and y} == {
        (x, y) for x in range(2, 8) for y in range(2, 8)
    }
    assert drawn(picture, BLACK) == {(x, y) for x in range(11, 14) for y in range(3, 6)}


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-1, 1, [0, 0, 130, 255]),  # levels 0 0 32 63 of 63
        (1.2, -1.2, [255, 235, 130, 20]),  # as NetTool calls it: ink, +1, is dark; levels 63 58 32 5
    ],
)
def test_grays_have_64_levels(low, high, expected):
    marks = printed_marks(f"(gray-draw-list 0 0 '(-3 -1 0 1) 4 {low} {high} 5)")
    assert [color[0] for color in marks[0].colors] == expected
    assert marks[0].sizes == (5,) * 4 and marks[0].ground is None


def printed_marks(text, size="(new-window 100 100)"):
    """The marks on the window of a program."""
    return run_windows(size + text)[0].marks


def run_windows(text):
    interpreter = Evaluator(lisp_functions())
    interpreter.run(Source("<test>", text))
    return interpreter.part(Screen).windows


def test_words_draw_in_the_current_window():
    one, two = run_windows("""
      (setq first (new-window 300 200 "one")) (setq second (new-window 5 5 400 250 "two"))
      (draw-line 1 2 3.9 4) (let ((window first)) (color-rgb 1 0 0) (fill-rect 0 0 2 2) (draw-rect 1 1 5 5))
      (draw-circle 5 6 2) (setq window first) (fill-circle 1 1 1) (gsave (color -1) (fill-polygon 0 0 4 0 4 4))
      (font "Helvetica-20") (draw-text 3 15 "ab") (gprintf 0 9 "%d" (color))
    """)
    assert (one.width, one.height, one.title, two.width, two.title) == (300, 200, "one", 400, "two")
    assert two.marks == [Line(BLACK, 1, 2, 3, 4), Disc(BLACK, 5, 6, 2, False)]
    assert one.marks == [
        Block(RED, 0, 0, 2, 2),
        Frame(RED, 1, 1, 5, 5),
        Disc(RED, 1, 1, 1, True),
        Polygon(BLACK, ((0, 0), (4, 0), (4, 4))),
        Text(3, 15, "ab", 20.0, RED),
        Text(0, 9, "16711680", 20.0, RED),
    ]


def test_an_animation_does_not_grow():
    frame = (
        '(for (t 1 400) (draw-list 5 5 (list t -1) 2 400 20 20) (gprintf 5 60 "age=%3d" t) '
        "(color-rgb (/ t 400) 0 0) (draw-line 0 0 99 99))"
    )
    marks = printed_marks(frame)
    assert len(marks) == 3 and marks[0].sizes[0] == 20 and marks[1].text == "age=400"
    assert len(printed_marks("(for (i 1 99) (draw-line i 0 0 i)) (fill-rect -1 -1 200 200)")) == 1
    assert printed_marks("(for (i 1 99) (draw-line i 0 0 i)) (cls)") == []
    kept = printed_marks("(draw-line 1 1 2 2) (draw-line 50 50 90 90) (fill-rect 0 0 60 60)")
    assert kept == [Line(BLACK, 50, 50, 90, 90), Block(BLACK, 0, 0, 60, 60)]


def test_a_window_keeps_the_last_of_too_many_marks():
    made = window(width=4_000, height=4_000)
    for i in range(50_010):
        made.put(Line(BLACK, i % 4_000, i // 4_000, i % 4_000, 3_000))
    assert made.overflowed and len(made.marks) == 50_000 and made.marks[0] == Line(BLACK, 10, 0, 10, 3_000)


def decoded_png(content: bytes) -> np.ndarray:
    """The pixels of a PNG file, by the PNG specification (third edition, sections 5, 9 and 11), without Pillow."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    chunks: dict[bytes, bytes] = {}
    rest = content[8:]
    while rest:
        length, kind = struct.unpack(">I4s", rest[:8])
        body, check = rest[8 : 8 + length], struct.unpack(">I", rest[8 + length : 12 + length])[0]
        assert zlib.crc32(kind + body) == check
        chunks[kind], rest = chunks.get(kind, b"") + body, rest[12 + length :]
    width, height, depth, color, *methods = struct.unpack(">2I5B", chunks[b"IHDR"])
    assert (depth, color, methods) == (8, 2, [0, 0, 0])
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, 1 + 3 * width)
    picture = np.zeros((height + 1, 3 * (width + 1)), int)  # with a row above and a pixel to the left, all zero
    for y, row in enumerate(rows, 1):
        for x, value in enumerate(row[1:], 3):
            left, above, corner = (int(picture[place]) for place in ((y, x - 3), (y - 1, x), (y - 1, x - 3)))
            paeth = min((left, above, corner), key=lambda guess: abs(left + above - corner - guess))
            predicted = (0, left, above, (left + above) // 2, paeth)[row[0]]
            picture[y, x] = (int(value) + predicted) % 256
    return picture[1:, 3:].reshape(height, width, 3)


def test_png_files_hold_the_pixels():
    picture = pixels(window(Block(RED, 1, 1, 3, 3), Line(BLACK, 0, 0, 9, 5)), 2)
    assert picture.shape == (32, 40, 3) and (decoded_png(png(picture)) == picture).all()


def test_svg_files_hold_the_marks():
    made = window(
        Block(RED, 1, 2, 3, 4),
        Line(BLACK, 0, 0, 9, 5),
        Frame(BLACK, 1, 1, 3, 2),
        Disc(BLACK, 5, 5, 2, False),
        Disc(RED, 5, 5, 1, True),
        Polygon(BLACK, ((0, 0), (4, 0), (4, 4))),
        Text(2, 9, '<&"\x1b', 10.0, RED),
        Squares(0, 0, 2, 4, (4, 2, 4), (WHITE, BLACK, BLACK), GRAY),
        width=200,
        height=160,
    )
    root = ElementTree.fromstring(svg(made))
    marks = list(root[-1])
    assert root.attrib["viewBox"] == "0 0 200 160"
    names = [mark.tag.rpartition("}")[2] for mark in marks]
    assert names == ["path", "line", "rect", "circle", "circle", "polygon", "rect", "text", "path", "path", "path"]
    assert marks[0].attrib == {"fill": "#ff0000", "d": "M1 2h3v4h-3z"}
    assert marks[7].text == '<&"\\x1b' and marks[7].attrib["textLength"] == "24"
    assert marks[-1].attrib == {"fill": "#000000", "d": "M5 1h2v2h-2zM0 4h4v4h-4z"}


def test_every_printable_letter_is_drawn_and_none_like_another():
    letters = [chr(code) for code in range(33, 127)]
    shapes = {letter: pixels(window(Text(2, 10, letter, 10.0, BLACK)), 2).tobytes() for letter in letters}
    assert len(set(shapes.values())) == len(letters)
    assert strokes(" ") == () and strokes("é") == strokes("\x7f")
    inked = drawn(pixels(window(Text(2, 10, "A", 10.0, BLACK)), 1))
    assert {y for _, y in inked} == set(range(4, 11)) and {x for x, _ in inked} == set(range(2, 7))


def test_curves_end_at_the_border_of_their_box():
    marks = printed_marks("""
      (setq plot-port (new-plot-port '(10 90 90 10) '(0 0 4 8) closed-circle))
      (plt-draw 0 0) (plt-draw 2 4) (plt-draw 2 12) (plt-clear) (plt-draw 4 8) (plt-plot 1 2) (plt-plot 5 5)
    """)
    assert marks == [Line(BLACK, 10, 90, 50, 50), Line(BLACK, 50, 50, 50, 10), Disc(BLACK, 30, 70, 3, True)]


def test_axes_have_labels_and_a_title():
    (made,) = run_windows(
        "(new-window 300 200) (print (nice-brect)) (setup-axes 0 -1 4 1 2 0.5 \"title\")(plot-lists '(0 4) '(-1 1))"
    )
    assert [mark.text for mark in made.marks if isinstance(mark, Text)] == [
        "0",
        "2",
        "4",
        "-1",
        "-0.5",
        "0",
        "0.5",
        "1",
        "title",
    ]
    assert Frame(BLACK, 60, 40, 190, 130) in made.marks and Line(BLACK, 60, 170, 250, 40) in made.marks
    assert [mark for mark in made.marks if isinstance(mark, Disc)] == [
        Disc(BLACK, 60, 170, 3, False),
        Disc(BLACK, 250, 40, 3, False),
    ]


XOR = """
  (libload "sn28/sn28") (alloc-net 20 40)
  (build-net '((in 2) (hid 2) (out 1)) '((in hid) (hid out)))
  (setq pattern-matrix [f [-1 -1] [1 -1] [1 1] [-1 1]]) (setq desired-matrix [f [1] [-1] [1] [-1]])
  (ensemble 0 2) (test-set 3 3) (seed 0) (epsi 1) (forget 1)
"""


def test_learning_is_plotted():
    text = (
        XOR
        + """
      (init-error-plotting 8 4) (init-perf-plotting 8) (de draw-net (l n) (setq drawn (cons n drawn)))
      (trun 3 8) (set-disp-net-and-error) (learn 2) (test-pattern 1) (print drawn)
    """
    )
    error, performance, each = run_windows(text)
    for made, points in ((error, 18), (performance, 18)):
        discs = [mark for mark in made.marks if isinstance(mark, Disc)]
        assert len(discs) == points and sum(disc.filled for disc in discs) == points // 2
        assert sorted(disc.x for disc in discs if disc.filled)[::8] == [60, 462]  # age 0 and 24, from side to side
    assert each.title == "instantaneous error"
    ticks = sum(isinstance(mark, Text) for mark in each.marks) - 1
    assert sum(isinstance(mark, Line) for mark in each.marks) == ticks + 1  # two patterns, one line


NETTOOL = """
  (de draw-net (&optional l num)
    (when (null draw-net-windowobject)
      (when (null net-display) (libload "nettool.sn"))
      (setq :draw-net-windowobject
        (new net-display 0 0 200 100 "Network Window"
          (lambda () (graphics-batch (cls) (gprintf 10 9 "In") (gray-draw-list 10 10 (neurval in) 2 1.2 -1.2 10)
                                     (draw-list 60 10 (neurval out) 1 1.2 20 18)))
          (lambda (x y) (cond ((point-in-rect x y '(10 10 20 10)) (nth (div (- x 10) 10) in))))))
      (setq :draw-net-window :draw-net-windowobject:window))
    (==> draw-net-windowobject expose)
    (==> draw-net-windowobject repair-damaged))
"""


def test_the_net_of_a_nettool_file_is_drawn():
    """In the form in which NetTool writes its function; the window in which the program itself draws stays."""
    own, net = run_windows(
        XOR
        + NETTOOL
        + """
      (setq mine (new-window 300 200 "mine")) (set-disp-net) (learn 3) (draw-line 0 0 9 9)
      (print (== window mine) (windowp draw-net-window))
    """
    )
    assert own.marks == [Line(BLACK, 0, 0, 9, 9)]
    assert (net.title, net.width, net.height) == ("Network Window", 200, 100)
    kinds = [type(mark) for mark in net.marks]
    assert kinds == [Text, Squares, Squares] and net.marks[1].colors == ((20,) * 3,) * 2  # the last pattern, 1 1


def test_a_log_file_is_plotted(tmp_path):
    text = XOR + '(setq perf-file "log") (trun 3 2) (plot-perf-file "log") (plot-nlf -2 2)'
    lines = printed(text, tmp_path, pictures="svg").split("\n")
    rule = "-" * 30
    assert lines[-7:] == ["", "Legend", rule, f"{'{0-2}':>16} open-circle", f"{'{3-3}':>16} closed-circle", rule, ""]
    saved = sorted(path.name for path in (tmp_path / "run").glob("*.svg"))
    assert saved == ["1-performance-of-log-perf.svg", "2-error-of-log-perf.svg", "3-non-linearity.svg"]
    assert (tmp_path / "run" / saved[0]).read_text().count("<circle") == 6


@pytest.mark.parametrize("errors", ["0.8039 0.1", "0.97 0.85", "0 0", "inf 0.5", "inf nan", "1e30 nan"])
def test_any_log_is_plotted(errors, tmp_path):
    lines = "".join(f"{age} {error} 50 ;{{0-3}}\n" for age, error in enumerate(errors.split()))
    out = printed('(plot-perf-file "a")', tmp_path, files={"a.perf": lines}, pictures="svg")
    assert out.split("\n")[3] == "           {0-3} open-circle"
    assert len(list((tmp_path / "run").glob("*.svg"))) == 2


@pytest.mark.parametrize(
    ("low", "high"),
    [(0.0, width * 10.0**power) for width in (1.0, 2.4, 7.99, 8.04, 9.99) for power in (-9, -1, 0, 12)]
    + [(-0.37, 8.2), (0.0, 0.0)],
)
def test_a_round_range_holds_the_values_in_few_steps(low, high):
    bottom, top, step = round_range(low, high)
    assert bottom <= low <= high <= top and (top - bottom) / step <= 10.001


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_windows_are_saved_also_when_the_program_fails(tmp_path, kind):
    text = '(new-window 40 30 "A & b") (draw-line 0 0 9 9) (new-window 40 30) (no-such-function)'
    assert "no-such-function" in fault(text, tmp_path, pictures=kind)[0]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [f"1-a-b.{kind}", f"2-lush-graphics.{kind}"]


class Recorder:
    """A stand-in for matplotlib.pyplot, its figures, canvases and images, that keeps what it is asked for."""

    def __init__(self, kept, name="pyplot"):
        self._kept, self._name = kept, name

    def __getattr__(self, name):
        def call(*arguments, **options):
            self._kept.append((f"{self._name}.{name}", arguments))
            return Recorder(self._kept, name)

        return Recorder(self._kept, name) if name == "canvas" else call


def test_windows_are_shown_while_the_program_runs(monkeypatch, tmp_path):
    from snsim.sn28.graphics import saved_windows
    from snsim.sn28.graphics.live_windows import LiveWindows

    kept = []
    monkeypatch.setattr(saved_windows, "open_live", lambda: LiveWindows(Recorder(kept)))
    printed('(new-window 30 20 "w") (graphics-batch (draw-line 0 0 9 9) (fill-rect 5 5 4 4))', tmp_path, windows=True)
    names = [name for name, _ in kept]
    assert names[0] == "pyplot.figure" and kept[0][1] == ("w",) and names[-1] == "pyplot.show"
    images = [arguments[0] for name, arguments in kept if name == "imshow.set_data"]
    assert len(images) == 2 and all((image == images[0]).all() for image in images)  # after the batch, and at the end
    assert len(drawn(images[0])) > 4 * 16 and images[0].shape == (40, 60, 3)


@pytest.mark.parametrize(("module", "sentence"), [(None, "matplotlib, which is not installed"), ("agg", "no screen")])
def test_windows_that_cannot_be_shown_are_refused(module, sentence, monkeypatch):
    stand_in = None
    if module is not None:
        stand_in = ModuleType("matplotlib")
        stand_in.get_backend = lambda: module
        stand_in.pyplot = ModuleType("matplotlib.pyplot")
        monkeypatch.setitem(sys.modules, "matplotlib.pyplot", stand_in.pyplot)
    monkeypatch.setitem(sys.modules, "matplotlib", stand_in)
    with pytest.raises(SnError, match=sentence):
        printed("(new-window)", windows=True)


def test_nothing_is_saved_without_a_window_or_a_wish(tmp_path):
    printed("(print 1)", tmp_path, pictures="svg")
    printed("(new-window 40 30)", tmp_path)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("(draw-line 0 0 1 1)", "draw-line: no window is open"),
        ("(new-window 0 10)", "1 to 4,096 pixels wide and high, got 0 x 10"),
        ("(new-window 1 2 3)", "3 given"),
        ("(new-window) (draw-list 0 0 '(1 a) 2 1 10 10)", "cannot draw a, which is not a finite number"),
        ("(new-window) (draw-list 0 0 '(1) 2 0 10 10)", "the maximum is 0"),
        ("(new-window) (draw-list 0 0 '(1) 0 1 10 10)", "0 columns"),
        ("(new-window) (gray-draw-list 0 0 '(1) 2 1 1 10)", "lo and hi are both 1"),
        ("(new-window) (plt-draw 1 1)", "there is no plot port"),
        ("(new-window) (color 99999999)", "is not a color number"),
        ("(new-window) (color-rgb 2 0 0)", "from 0 to 1, got 2"),
        ("(while t (new-window))", "more than 200 windows"),
        ("(new-window) (setup-axes 0 0 0 1)", "cannot plot the range from 0 to 0"),
        ("(disp-net 1)", "the function draw-net is not defined"),
        ("(init-perf-plotting 10)", "patt-min"),
    ],
)
def test_what_is_wrong_is_said(text, sentence):
    assert sentence in fault('(libload "sn28/sn28")' + text)[0]
