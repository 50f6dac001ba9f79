"""`snsim convert`: programs of SN-2.8 and files of NetTool to declarative nets, and declared nets back to calls.

What is converted is held, here too, against the net that was made: read from the tables of the interpreter that ran
the program and of the declared net, unit by unit.
"""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from snsim.cli.main import main
from snsim.convert.convert import to_declarative, to_sn28
from snsim.convert.links import same_sharing
from snsim.errors import SnError, Source
from snsim.network.net import BORDER
from snsim.network.wiring import Table
from snsim.program import Host, make_interpreter, new_shelves, read_program
from snsim.sn28.net.netspace import VAL, Netspace

ROOT = Path(__file__).resolve().parents[1]
BOTH = "(alloc-net 3000 90000 90000)\n"
MASKS = (
    BOTH
    + """
(build-net-nobias '((retina 64) (m1 16) (m2 16) (s1 4) (out 3)) ())
(each ((m (list m1 m2 s1))) (shared-bias-connect m)) (bias-connect out)
(each ((m (list m1 m2))) (mask-toric-connect retina 8 8 m 4 4 2 2 3 3) (mask-toric-connect m 4 4 s1 2 2 2 2 3 3))
(connect s1 out)"""
)
FRAMED = (
    BOTH
    + """
(build-net-nobias '((in 16) (h 12) (out 2)) ())
(bias-connect h)
(let ((cells (newneurons 20)) (frame ()) (left in))
  (state cells -0.5)
  (for (y 0 5) (for (x 0 5)
    (if (and (> y 0) (< y 5) (> x 0) (< x 5)) (setq frame (cons (car left) frame) left (cdr left))
      (setq frame (cons (car cells) frame) cells (cdr cells)))))
  (for (k 0 2)
    (WORD-2d-connect (reverse frame) 6 6 (range (+ (car h) (* 4 k)) (+ (car h) (* 4 k) 3)) 2 2 3 3 3 3)))
(connect h out)"""
)

PROGRAMS = {  # program: lines of the text
    "(build-net '((in 2) (hid 2) (out 1)) '((in hid) (hid out)))": [
        "(layer hid 2)",
        "(connect in hid (full))",
        "(expect (units 5) (connections 9) (weights 9))",
    ],
    "(build-net-nobias '((in 3 (nlf-bin 1 0 1 0)) (out 3 (nlf-lin 1 1))) ()) (each ((k '(0 1 2))) "
    "(connect (nth k in) (nth k out)))": ["(default (nlf linear) (bias none))", "(connect in out (one-to-one))"],
    MASKS: [
        "(layer m1 (4 4) (bias map))",
        "(connect retina (m1 m2) (mask 3 3) (step 2) (border wrap))",
        "(connect (m1 m2) s1 (mask 3 3) (step 2) (border wrap))",
    ],
    FRAMED.replace("WORD", "mask"): ["(layer h (3 2 2))", "(connect in h (mask 3 3) (step 3) (border 1 -0.5))"],
    FRAMED.replace("WORD", "local"): ["(connect in h (local 3 3) (step 3) (border 1 -0.5))"],
    FRAMED.replace("WORD", "equal-mask"): ["(connect in h (equal-mask 3 3) (step 3) (border 1 -0.5))"],
    "(build-net-nobias '((in 20) (h 12) (out 2)) ()) (bias-connect h) (local-2d-connect in 4 5 h 3 4 1 1 2 2) "
    "(connect h out)": ["(layer in (4 5))", "(layer h (3 4))", "(connect in h (local 2 2))"],
    "(build-net-nobias '((in 20) (h 9) (out 2)) ()) (shared-bias-connect h) (mask-1d-connect in 20 h 9 2 4) "
    "(connect h out)": ["(layer in (1 20))", "(layer h (1 9) (bias map))", "(connect in h (mask 1 4) (step 1 2))"],
    "(build-net-nobias '((in 36) (h 20) (out 8)) ()) (tdnn-connect in 12 3 h 5 4 2 4) (tdnn-bias-connect h 5 4) "
    "(tdnn-connect h 5 4 out 1 8 1 5)": [
        "(layer in (12 3))",
        "(layer h (5 4) (bias column))",
        "(connect in h (tdnn 4) (step 2))",
        "(connect h out (full))",
    ],
    # windows that do not fit are pushed back inside by SN: no scheme here, so pair by pair
    "(build-net-nobias '((in 9) (h 4) (out 1)) ()) (mask-2d-connect in 3 3 h 2 2 2 2 2 2) (connect h out)": [
        "(layer in (3 3))",
        "(connect in h (pairs (0 0 0) (1 0 1) (3 0 2) (4 0 3) (1 1 0)",
    ],
    "(build-net-nobias '((in 3) (out 2)) ()) (connect (car in) (car out)) "
    "(dup-connection (car in) (car out) (cadr in) (cadr out)) (connect (nth 2 in) out)": [
        "(connect in out (pairs (0 0 0) (2 0) (1 1 0) (2 1)))"
    ],
    # layers without build-net, by the variables that hold them
    "(setq a (newneurons 4) b (newneurons 2) unused (newneurons 3)) (make-input a) (make-output b) (connect a b)": [
        "(layer a 4)",
        "(connect a b (full))",
        ";; not carried over: the layer unused",
    ],
    "(setq a (newneurons 4) b (newneurons 2) c (newneurons 3)) (make-input (append a b)) (make-output c) "
    "(connect a c) (connect b c) (connect 0 c)": [
        "(layer a 4 (input))\n  (layer b 2 (input))",
        "(connect (a b) c (full))",
        "(expect (units 9) (connections 21) (weights 21))",
    ],
    "(build-net '((a 2) (b 2 (setq nlf (nlf-f-lisp (lambda (x) (max 0 x))) dnlf (nlf-f-0))) (c 1)) '((a b) (b c)))": [
        "(layer b 2 (nlf (max 0 x)))"
    ],
    "(build-net '((a 2) (b 2 (nlf-spline '(-1 0 1) '(-1 0 2))) (c 1)) '((a b) (b c)))": [
        "(layer b 2 (nlf linear))",
        ";; not carried over: the non-linearity of b",
    ],
}


def converted(text: str, folder: Path | None = None):
    name = "old.sn" if folder is None else str(folder / "old.sn")
    whole = text if "alloc-net" in text or text.startswith(";;;NETTOOL") else BOTH + text
    return to_declarative(Source(name, whole), Host())


def made_by(text: str) -> Netspace:
    """The net of a program that ran unwatched."""
    interpreter = make_interpreter(new_shelves(), Host(), io.StringIO())
    interpreter.run(Source("<test>", text if "alloc-net" in text else BOTH + text))
    return interpreter.part(Netspace)


def edges(space: Netspace, order: list[int]) -> Table:
    """All connections of a net whose units have the places `order`; cells of constant state are BORDER."""
    place = np.full(space.nnum, BORDER)
    place[order] = np.arange(len(order))
    living = np.flatnonzero(space.alive[: space.snum])
    pre, post = space.pre.array[living], space.post.array[living]
    return Table(np.where(pre == 0, len(order), place[pre]), place[post], space.weight.array[living].astype(int))


def declared_edges(net) -> Table:
    """The same of a declared net; the bias is the unit behind the last."""
    first, total = {}, 0
    for layer in net.layers:
        first[layer.name], total = total, total + layer.units
    source, target, weight, used = [], [], [], 0
    for layer in net.computed:
        for table, begin, size in [(net.bias_table(layer.name), None, int(np.prod(layer.bias_shape)))] + [
            (c.table, first[c.source], c.wiring.weights) for c in net.entering(layer.name)
        ]:
            ends = table.source + begin if begin is not None else np.full(len(table.source), total)
            source.append(np.where(table.source == BORDER, BORDER, ends))
            target.append(table.target + first[layer.name])
            weight.append(table.weight + used)
            used += size
    return Table(*(np.concatenate(parts) for parts in (source, target, weight)))


@pytest.mark.parametrize("text", PROGRAMS, ids=[f"program {k}" for k in range(len(PROGRAMS))])
def test_a_program_becomes_a_net_of_the_same_connections(text):
    result = converted(text)
    for line in PROGRAMS[text]:
        assert line in result.text
    space = made_by(text)
    net = read_program(Source("new.sn", result.text), port=io.StringIO()).nets.get("old")
    fed = set(space.post.array[: space.snum].tolist())
    inputs = net.input_units
    units = [*range(1, inputs + 1), *(unit for unit in range(inputs + 1, space.nnum) if unit in fed)]
    assert same_sharing(declared_edges(net), edges(space, units))
    assert (net.counts.connections, net.counts.weights) == (space.snum, len(set(space.weight.array[: space.snum])))


@pytest.mark.parametrize("file", ["encoder", "lecun89", "net-2", "net-3", "net-4", "net-5", "xor"])
def test_every_net_is_written_as_calls_and_read_back(file):
    program = read_program(ROOT / "nets" / f"{file}.sn", port=io.StringIO())
    net = [entry.value for entry in program.nets.own()][-1]
    text = to_sn28(program, net.name).text
    assert same_sharing(
        declared_edges(net),
        edges(made := made_by(text), [unit for unit in range(1, net.counts.units + 1)]),  # noqa: RUF018
    )
    cells = made.unit[VAL].array[net.counts.units + 1 + net.layers[-1].units : made.nnum]
    assert set(cells.tolist()) <= {c.border_value for c in net.connections}
    back = converted(text).nets[0]
    assert back.counts == net.counts and same_sharing(declared_edges(back), declared_edges(net))
    if file != "net-2":  # the rows and columns of its input say nothing there: all is fully connected
        assert back.digest == net.digest


@pytest.mark.parametrize(
    ("file", "name", "lacking"),
    [
        ("lenet-1", None, ["no scale 0.25 (h1-h2), no scale 0.25 (h3-h4)"]),
        ("tdnn", "tdnn", ["no fixed 1 (h2-output)"]),
        ("micro-vit", None, ["no normalize (normalize o0 n1)", "no attend (attend q1 k1 v1 a1)", "no fixed 1 (o0-r1)"]),
        ("ladder-weight-norm", None, ["no weight-norm (input-h1)"]),
    ],
)
def test_what_sn_lacks_is_named(file, name, lacking):
    with pytest.raises(SnError) as refused:
        to_sn28(read_program(ROOT / "nets" / f"{file}.sn", port=io.StringIO()), name)
    assert all(what in refused.value.faults[0].message for what in lacking)


ROUND_TRIPS = int(os.environ.get("SNSIM_ROUND_TRIPS", "40"))


@settings(max_examples=ROUND_TRIPS, deadline=None)
@given(st.data())
def test_random_windows_go_there_and_back(data):
    """Maps, windows, steps, borders, sharing and biases at random: the tables and the biases stay."""
    maps, fed = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 4))
    window, step = (data.draw(st.integers(1, 3)) for _ in range(2))
    one = data.draw(st.integers(0, 2))
    top, bottom, left, right = (
        data.draw(st.tuples(*[st.integers(0, 2)] * 4)) if data.draw(st.booleans()) else (one,) * 4
    )
    wrap = data.draw(st.booleans())
    if wrap:
        fits = [data.draw(st.integers(-(-window // step), 3)) for _ in range(2)]
        rows, columns = (n * step for n in fits)
    else:
        around = top + bottom, left + right
        rows, columns = (data.draw(st.integers(max(window - n, 1), 6)) for n in around)
        fits = [(size + n - window) // step + 1 for size, n in zip((rows, columns), around)]
    table = data.draw(
        st.lists(st.lists(st.sampled_from([0, 1]), min_size=fed, max_size=fed), min_size=maps, max_size=maps).filter(
            lambda t: all(any(column) for column in zip(*t))
        )
    )
    kind = data.draw(st.sampled_from(["mask", "local", "equal-mask"]))
    drawn = " ".join("(" + " ".join("-x"[x] for x in row) + ")" for row in table)
    border = (
        "wrap" if wrap else f"{top} -0.25" if top == bottom == left == right else f"{top} {bottom} {left} {right} -0.25"
    )
    text = f"""(table fed {drawn})
      (net drawn (default (bias {data.draw(st.sampled_from(["unit", "map", "none"]))}))
        (layer input ({maps} {rows} {columns}))
        (layer state ({fed} {fits[0]} {fits[1]})) (layer out 2 (bias unit))
        (connect input state ({kind} {window} {window}) (step {step}) (border {border}) (table fed))
        (connect state out (full)))"""
    program = read_program(Source("<test>", text), port=io.StringIO())
    net = program.nets.get("drawn")
    assume((net.connections[0].table.source != BORDER).any())  # a net whose windows see only the border reads no input
    calls = to_sn28(program).text
    assert ";;; The layer state is called state-layer here" in calls
    assert same_sharing(declared_edges(net), edges(made_by(calls), list(range(1, net.counts.units + 1))))
    back = converted(calls).nets[0]
    assert same_sharing(declared_edges(back), declared_edges(net))


@pytest.mark.parametrize(
    ("input_", "state"),
    [("1 4 4", "1 2 2"), ("4 4", "2 2"), ("1 4 2", "2 2 1"), ("3 4 6", "4 2 3"), ("1 2 2", "4 1 1")],
)
def test_windows_smaller_than_their_step_come_back_with_their_bias_per_map(input_, state):
    text = f"""(net drawn (default (bias map)) (layer input ({input_})) (layer fed ({state})) (layer out 2 (bias unit))
      (connect input fed (mask 1 1) (step 2) (border wrap)) (connect fed out (full)))"""
    program = read_program(Source("<test>", text), port=io.StringIO())
    back = converted(to_sn28(program).text).nets[0]
    assert same_sharing(declared_edges(back), declared_edges(program.nets.get("drawn")))
    if "(border wrap)" in text and state != "4 1 1":  # of a map of one unit nothing says that it had four
        assert [c.wiring.structure.wrap for c in back.connections[:1]] == [True]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("(setq a (newneurons 3)) (connect a (reverse (cdr a)))", "but declared layers feed later ones"),
        ("(build-net '((a 2) (b 2) (c 1)) '((a b) (b c) (c b)))", "the layers b, c feed each other in a circle"),
        ("(build-net-nobias '((a 2) (b 2)) '((a b))) (connect 0 (car b))", "1 of the 2 units of b have a bias"),
        (
            "(build-net-nobias '((a 2) (b 2) (c 2)) ()) (connect a b) (dup-connection a b a c)",
            "a weight is shared by a to b and a to c",
        ),
        (
            "(build-net-nobias '((a 2) (b 2)) '((a b))) (setq more (newneurons 2)) (connect more b)",
            "nothing enters the units of more",
        ),
        ("(print 1)", "makes no net with connections"),
        ("(build-net '((a 2) (b 1)) '((a b))) (no-such-word)", "no-such-word"),
    ],
)
def test_what_cannot_be_stated_is_said(text, sentence):
    with pytest.raises(SnError) as refused:
        converted(text)
    assert sentence in refused.value.faults[0].message


LEARNS = (
    BOTH
    + """(build-net '((in 2) (hid 2) (out 1)) '((in hid) (hid out)))
(setq pattern-matrix [[-1 -1][1 -1][1 1][-1 1]] desired-matrix [[1][-1][1][-1]])
(ensemble 0 3) (seed 3) (forget-sqrt 2) (forget-layer 0.1 out) (epsi 0.5) (set-class-lms 0.2) (setq alpha 0.9)
(perf) (run 4 10) (while (< good-an-percent 100) (learn-cycle 5) (perf))
(forget 1) (epsi-sqrt-layer 0.1 hid) (learn-lm 10) (printf "%d\\n" (nth 99 '(1)))
"""
)


def test_learning_becomes_trainings_and_what_does_not_is_said():
    result = converted(LEARNS)
    assert (
        """(train old
  (data (examples [[-1 -1] [1 -1] [1 1] [-1 1]]
                  [[1] [-1] [1] [-1]]))
  (ensemble 0 3)
  (cost lms)
  (correct lms 0.2)
  (order fixed)
  (forget-sqrt 2)
  (forget 0.1 out)
  (seed 3)
  (update sgd (alpha 0.9))
  (epsi-inv 0.5)
  (passes 15))"""
        in result.text
    )
    assert (
        """  (forget 1)
  (seed 3)
  (update lm (mu 0.05) (gamma 0.05) (alpha 0.9))
  (epsi-inv 0.5)
  (epsi-sqrt 0.1 hid)
  (passes 2))"""
        in result.text
    )
    said = " ".join(result.notes)
    for note in (
        "a loop that waits for a measurement",
        "10 presentations of 4 patterns: 2 whole passes",
        "an error of the program in line 6",
    ):
        assert note in said
    trainings = read_program(Source("new.sn", result.text), port=io.StringIO()).own_trainings
    assert [(t.name, t.net.name) for t in trainings] == [("old", "old"), ("old-2", "old")]


def test_methods_prunings_and_batches_become_stages():
    result = converted(
        MASKS
        + """
      (setq pattern-matrix (matrix 5 64) desired-matrix (matrix 5 3)) (ensemble 0 4) (seed 1) (smartforget)
      (mask-epsi 0.1) (trun 5 2) (run 5 1) (obd-compute-curvature 0 4) (obd-prune 0.2) (learn-batch 3)
      (learn-batch-cg 4) (epsilon 0.01) (learn-lm 5)"""
    )
    assert (
        """
  (stage (passes 3) (update sgd) (mask-epsi 0.1) (batch 1))
  (stage (passes 3) (prune 0.2) (update sgd) (mask-epsi 0.1) (batch all sum))
  (stage (passes 4) (update conjugate-gradient))
  (stage (passes 1) (update lm (mu 0.05) (gamma 0.05)) (epsilon 0.01) (batch 1)))"""
        in result.text
    )
    assert len(read_program(Source("new.sn", result.text), port=io.StringIO()).own_trainings[0].stages) == 4


def test_several_nets_of_a_program():
    result = converted(BOTH + "(build-net '((a 2) (b 1)) '((a b)))" + BOTH + "(build-net '((a 3) (b 1)) '((a b)))")
    assert [(net.name, net.layers[0].units) for net in result.nets] == [("old", 2), ("old-2", 3)]


NETTOOL = """;;;NETTOOL3 CREATED
(de nettool-net ()
  (let* ((retina (new c-layer '("retina" (8 6) t () () () () () t) 10 20 60 60))
         (answer (new c-layer '("The Answer" (1 3) () t () () () t ()) 300 20 20 90))
         (map (new c-layer '("map" (4 3) () () t () () () t) 100 20 40 40))
         (part (new c-layer '("part" "2x2" () t () () t () ()) 100 90 30 30)))
    (new c-connection map answer (list ct-connect '(1 1) '(1 1)))
    (new c-connection part answer (list ct-connect '(1 1) '(1 1)))
    (new c-connection retina map (list ct-mask-toric-connect '(3 3) '(2 2)))
    (new c-connection retina part (list ct-local-2d-connect '(2 2) '(1 1) '(1 2) '(3 4)))))
(de draw-net () (new-window 300 300 "net"))
"""


def test_a_nettool_file_is_read_as_a_description():
    result = converted(NETTOOL)
    for line in (
        "(layer retina (6 8))",
        "(layer map (3 4) (bias map))",
        "(layer the-answer 3)",
        "(connect retina map (mask 3 3) (step 2) (border wrap))",
        "(connect (map part) the-answer (full))",
    ):
        assert line in result.text
    net = result.nets[0]
    cells = net.entering("part")[0].table  # columns 1 to 3 and rows 2 to 4 of 8 by 6, in windows of 2x2
    assert cells.source[cells.target == 0].tolist() == [2 * 8 + 1, 2 * 8 + 2, 3 * 8 + 1, 3 * 8 + 2]
    assert cells.source[cells.target == 3].tolist() == [3 * 8 + 2, 3 * 8 + 3, 4 * 8 + 2, 4 * 8 + 3]
    assert net.counts.weights == 9 + 16 + 12 * 3 + 4 * 3 + 1 + 4 + 3


def test_a_nettool_file_of_a_time_delay_net_and_one_with_its_program_only():
    tdnn = """;;;NETTOOL2 CREATED
(de nettool-net ()
  (setq a (new c-layer '("in" "16x65" t () () () () () t) 0 0 9 9)
        b (new c-layer '("h" "8x32" () () () t () t ()) 5 0 9 9))
  (new c-connection a b (list ct-tdnn-connect '(16 3) '(1 2))))"""
    assert "(connect in h (tdnn 3) (step 2))" in converted(tdnn).text
    program = """;;;NETTOOL3 CREATED
(de create-net () (alloc-net 9 9) (build-net-nobias '((in 2) (out 1)) '((in out))))"""
    assert "(connect in out (full))" in converted(program).text


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("ct-mask-toric-connect", "'ct-mask-connect", "ct-mask-connect is not a type of connection"),
        ('"2x2"', '"2 by 2"', "not columns and rows"),
        ("'(1 2) '(3 4)", "'(1 2) '(3 6)", "are not in retina"),
        ("(8 6) t () () ()", "(8 6) t () t ()", "2 of the four flags for the bias of retina are set"),
        ("nettool-net", "other-net", "defines neither nettool-net nor create-net"),
        ("(new c-connection map answer", "(new c-connection 7 answer", "which is not a layer"),
        ("'(3 3) '(2 2)", "'(9 3) '(2 2)", "does not wrap around"),
    ],
)
def test_faults_of_a_nettool_file(old, new, sentence):
    with pytest.raises(SnError) as refused:
        converted(NETTOOL.replace(old, new))
    assert sentence in refused.value.faults[0].message


def snsim(folder: Path, *arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), mock.patch.dict("os.environ", {"SNSIM_DATA": str(folder)}):  # noqa: SIM117
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(list(arguments))
    return code, out.getvalue(), err.getvalue()


def test_the_command(tmp_path):
    (tmp_path / "old.sn").write_text(LEARNS)
    code, out, err = snsim(tmp_path, "convert", "old.sn", "-o", "new.sn", "--net", "mine")
    assert (code, out) == (0, "new.sn: net mine, 2 2 1; 5 units, 9 connections, 9 weights\n")
    assert "warning: not carried over: " in err and sorted(p.name for p in tmp_path.iterdir()) == ["new.sn", "old.sn"]
    assert snsim(tmp_path, "check", "new.sn")[:2] == (
        0,
        "new.sn: net mine, 5 units, 9 connections, 9 weights; 2 trainings; no faults\n",
    )
    code, out, err = snsim(tmp_path, "convert", "--to", "sn28", "new.sn")
    assert err.count("warning: not carried over: (train ") == 2 and "(libload" in out and "not carried over" in out
    (tmp_path / "calls.sn").write_text(out)
    assert code == 0 and snsim(tmp_path, "run", "calls.sn") == (0, "", "")
    assert "is the input file" in snsim(tmp_path, "convert", "old.sn", "-o", "./old.sn")[2]
    (tmp_path / "two.sn").write_text("(net a (layer i 2) (layer o 1) (connect i o (full))) (net b (like a))")
    assert "choose one: --net a" in snsim(tmp_path, "convert", "--to", "sn28", "two.sn")[2]
    assert snsim(tmp_path, "convert", "--to", "sn28", "--net", "b", "two.sn")[0] == 0
    assert "--to sn28" in snsim(tmp_path, "convert", "two.sn")[2]
    assert snsim(tmp_path, "convert", "--to", "sn28", "--kernel", "sn28", "two.sn")[0] == 2
