"""`snsim export --to torch`: the page learns as the engines do, and needs nothing but PyTorch."""

import ast
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from gallery_trainings import WITHOUT_DELAYS
from safetensors.torch import load_file

import snsim
from snsim.cli.main import main
from snsim.comparison.compare import compare
from snsim.export.subject import subject_of_program
from snsim.export.torch_page import torch_page
from snsim.export.writing import export_torch
from snsim.program import read_program
from snsim.runs.options import Options
from snsim.runs.run import PassFinished, run
from snsim.training.choose_engine import build_engine
from snsim.training.loop import training_events

NETS = Path(__file__).parents[1] / "nets"
OPTIONS = Options(online=False, dtype="float64")
OWN_DATA = {  # the files that have their patterns
    path.stem
    for path in NETS.glob("*.sn")
    if any(not training.data.names for training in read_program(path).own_trainings)
}
TRAININGS = [(path.stem, training.name) for path in WITHOUT_DELAYS for training in read_program(path).own_trainings]
FAST = [pair for pair in TRAININGS if pair[0] in {*OWN_DATA, "net-5"}]
ALL = [pair if pair in FAST else pytest.param(*pair, marks=pytest.mark.slow) for pair in TRAININGS]

# One small net each with what the nets of the gallery lack: both derivatives stated, Newton, batches and their mean,
# momentum and decay that change, partial tables, wrapped windows, a rate per connection, another cost.
RARE = """
(define-nlf steep (x) "a step that learns by another slope" (if (> x 0) 1 -1) (derivative (/ 1 (+ 1 (* x x)))))
(table half (x -) (x x))
(define-cost huber (x d) (if (< (abs (- x d)) 1) (* 0.5 (** (- x d) 2)) (- (abs (- x d)) 0.5)))
(net rare (default (nlf sn-tanh) (bias unit))
  (layer input (4 4)) (layer a (2 4 4) (bias map)) (layer b (2 2 2)) (layer c (1 4)) (layer output 2)
  (connect input a (mask 3 3) (border 1 wrap)) (connect a b (local 2 2) (step 2) (table half))
  (connect b c (pairs (0 0) (1 1) (2 2) (3 3) (4 0) (5 1) (6 2) (7 3))) (connect c output (full))
  (connect input output (full) (scale 0.5)))
(train rare (data (examples INPUTS TARGETS)) (cost huber)
  (update newton (alpha (linear 0 0.5)) (decay 0.01) (mu 0.1))
  (epsilon 0.02) (epsi-sqrt 0.2 a) (epsi-inv (steps (0.3 2) (0.1)) (bias output))
  (order shuffled) (batch 3 mean) (passes 3))
(net stepped (like rare) (layer b (nlf steep)))
(train stepped (like rare) (net stepped) (update sgd (alpha 0.5)) (correct quadrant))
(net gains (like rare) (connect c output (weight-norm)) (connect a b (weight-norm)))
(train gains (like rare) (net gains) (update adamw (decay 0.1)) (correct lms 0.3))
(train held (like rare) (update lm (curvature 7)) (batch 1) (correct hamming 0.9))
"""


# Every clause of a training that a page writes in a way of its own.
CLAUSES = """
(net plain (like rare) (connect b c (full)) (connect c output (full)))
(train base (net plain) (data (examples INPUTS TARGETS)) (cost huber) (epsilon 0.02) (correct quadrant) (passes 3))
(train staged (like base) (dropout 0.25 a) (augment (shift 1 -1)) (input-noise 0.1)
  (stage (passes 2) (update sgd (alpha 0.6) (decay 0.001)) (order shuffled once))
  (stage (passes 2) (update lm (mu 0.1) (curvature 9)) (order random))
  (stage (passes 1) (update lm (mu 0.2) (gamma 0.05)) (order shuffled)))
(train noisy (like base) (theta (linear 0.1 0.01)) (dropout 0.5 input b) (update newton))
(train pruned (like base) (epsi-sqrt 0.05) (theta 0.01) (update sgd (alpha 0.5)) (batch 2 sum)
  (stage (passes 2)) (stage (prune 0.2) (passes 1)) (stage (prune 0.3 weights) (passes 1) (epsi-inv 0.1 a)))
(train counted (like pruned) (fan-in weights) (mask-epsi 0.2))
(train conjugate (like base) (update conjugate-gradient (mu 0.5)) (passes 4))
(train cut (like conjugate) (stage (passes 2)) (stage (prune 0.2) (passes 2)))
(net linear (like plain) (layer output (nlf linear)))
(train soft (like conjugate) (net linear) (data (examples INPUTS CLASSES)) (cost cross-entropy) (correct max))
(net coded (like plain) (layer output (nlf (- 0 x)) (bias none))
  (connect c output (full) (distance) (codes (x - 0.5 x) (- x - -)) (fixed)))
(train mapped (like soft) (net coded) (cost map 2) (update lm (mu 0.5)) (epsilon 0.02))
(train mapped-conjugate (like soft) (net coded) (cost map 2))
(train places (like base) (update adamw) (decay 0.1 (connect b c)) (decay 0.02 output) (correct labels 0))
(train frozen (like base) (update adamw) (epsilon (steps (0 1) (0.01)) a) (epsilon 0 (bias output)))
(train varied (like base) (net rare) (update sgd) (mask-epsi 0.1))
(train best (like base) (update sgd) (epsilon 0.3) (keep best train-misses) (stop-after 2) (passes 9))
(train gains-lm (like base) (net gains) (update lm (mu 0.1)))
(train gains-newton (like base) (net gains) (update newton (mu 0.1)) (batch 4 mean))
(net transformed (default (nlf sn-tanh) (bias unit))
  (layer input (4 2 2)) (layer (q k v a n) (4 2 2)) (layer output 2)
  (connect input (q k v) (mask 1 1)) (attend q k v a (heads 2)) (normalize a n) (connect n output (full))
  (connect a n (one-to-one) (fixed 1)))
(train transformed-lm (like base) (net transformed) (update lm (mu 0.1)))
(train transformed-newton (like base) (net transformed) (update newton (mu 0.1)) (batch 2 sum) (dropout 0.25 k))
"""
CLAUSE_TRAININGS = re.findall(r"^\(train (?!base)(\S+)", CLAUSES, re.MULTILINE)


def rare_text() -> str:
    draw = np.random.default_rng(0)
    inputs, labels = np.round(draw.normal(size=(20, 16)), 2), draw.integers(0, 2, 20)
    classes = np.arange(2) == labels[:, None]

    def matrix(rows):
        return "[" + " ".join("[" + " ".join(f"{x:g}" for x in row) + "]" for row in rows) + "]"

    text = RARE + CLAUSES
    for word, rows in (("INPUTS", inputs), ("TARGETS", np.where(classes, 1, -1)), ("CLASSES", classes.astype(int))):
        text = text.replace(word, matrix(rows))
    return text


def options(file: str, **more) -> Options:
    return Options(online=False, data=() if file in OWN_DATA or file == "rare" else ("digits",), **more)


def source(file: str, folder: Path):
    if file != "rare":
        return read_program(NETS / f"{file}.sn")
    (folder / "rare.sn").write_text(rare_text())
    return read_program(folder / "rare.sn")


def load_page(path: Path):
    spec = importlib.util.spec_from_file_location("page", path)
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    return page


RARE_TRAININGS = [("rare", name) for name in ("rare", "stepped", "gains", "held")]


# compare cannot give a module the noise of (theta V).
WITHOUT_THETA = [name for name in CLAUSE_TRAININGS if name not in ("noisy", "pruned", "counted")]
COMPARED = [
    ("rare", name) if name in ("staged", "conjugate") else pytest.param("rare", name, marks=pytest.mark.slow)
    for name in WITHOUT_THETA
]


@pytest.mark.parametrize(("file", "name"), [*ALL, *RARE_TRAININGS, *COMPARED])
def test_compare_finds_the_page_equal(file, name, tmp_path):
    """States, cost, gradients and weights of the page beside the engine, presentation by presentation."""
    program = source(file, tmp_path)
    subject = subject_of_program(program, name, options(file, dtype="float64"), print)
    done = export_torch(subject, tmp_path / "page.py")
    assert done.difference < 1e-12
    rule = subject.training.stages[0].rule
    comparison = compare(
        program,
        f"{tmp_path / 'page.py'}:Net",
        "digits" if options(file).data else None,
        presentations=30,
        only=name,
        sgd=1e-3 if rule.curvature or rule.conjugate else None,
        tolerance=1e-9,
        options=OPTIONS,
    )
    assert comparison.equal, comparison


class Presented(Exception):
    """Enough patterns were presented."""


@pytest.mark.parametrize(("file", "name"), [*ALL, *RARE_TRAININGS])
def test_the_page_learns_by_the_same_rule(file, name, tmp_path):
    """Rule, rates and curvature of the page, for 40 updates with the engine's patterns: the same weights."""
    subject = subject_of_program(source(file, tmp_path), name, options(file, dtype="float64"), print)
    training, stage = subject.training, subject.training.stages[0]
    if stage.dropout:
        pytest.skip("dropout is drawn by PyTorch")
    export_torch(subject, tmp_path / "page.py")
    page, names = load_page(tmp_path / "page.py"), torch_page(subject, "page").names
    net = page.Net().double()
    net.load_state_dict({names[k]: torch.from_numpy(np.array(v)) for k, v in subject.start.items()})
    rule, updates = page.Rule(net), 0
    engine = build_engine(training, stage, "reference", "float64")
    engine.load_parameters(subject.start)
    learn = engine.learn

    def recorded(inputs, targets, settings, *drawn):
        nonlocal updates
        for start in range(0, len(inputs), settings.batch):
            rows = slice(start, start + settings.batch)
            x, d = torch.tensor(inputs[rows]), torch.tensor(targets[rows])
            number = updates // -(-len(subject.data.train) // settings.batch) + 1
            step = [net] + ([page.rates(net, number)] if hasattr(page, "rates") else [])
            divisor = len(x) if settings.batch_mean else 1
            net.zero_grad()
            (net.cost(net(x), d) / divisor).backward()
            if settings.held_curvature is not None:
                step.append({names[k]: torch.tensor(v) for k, v in settings.held_curvature.items()})
            elif stage.rule.curvature:
                step.append({k: h / divisor for k, h in net.curvature(x, d).items()})
            step += [settings.options[n] for n, v in stage.options.items() if v.kind != "constant"]
            step += [page.DECAY] if stage.decays else []
            rule.step(*step)
            learn(inputs[rows], targets[rows], settings, *drawn)
            updates += 1
            if updates == 40:
                raise Presented

    engine.learn = recorded
    try:
        for _ in training_events(training, subject.data, engine, subject.seed):
            pass
    except Presented:
        pass
    assert updates >= 10
    moved = 0.0
    for slot, ours in engine.parameters().items():
        if slot in names and slot in subject.start:
            theirs = net.get_parameter(names[slot]).detach().numpy()
            np.testing.assert_allclose(theirs, ours, rtol=1e-8, atol=1e-11, err_msg=slot)
            moved = max(moved, float(np.abs(ours - subject.start[slot]).max()))
    assert moved > 1e-6


# Runs pages one after another, where no snsim, NumPy or lark can be imported. To import PyTorch takes more time than
# most pages do.
RUN_PAGES = """
import sys
sys.modules.update(dict.fromkeys(('snsim', 'numpy', 'lark')))
import contextlib, io, json, os, runpy, traceback, torch
for line in sys.stdin:
    path, passes = json.loads(line)
    os.chdir(os.path.dirname(path))
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(0)
    out, error = io.StringIO(), ''
    try:
        with contextlib.redirect_stdout(out):
            net = runpy.run_path(path)['main'](passes)
        torch.save(net.state_dict(), path[:-3] + '-trained.pt')
    except BaseException:
        error = traceback.format_exc()
    print(json.dumps([out.getvalue(), error]), flush=True)
"""


@pytest.fixture(scope="module")
def run_page():
    """Return a function that runs a page in a process with PyTorch alone, and returns the misses of each pass."""
    command = [sys.executable, "-W", "ignore", "-c", RUN_PAGES]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def run_one(path: Path, passes: int) -> list[list[int]]:
            process.stdin.write(json.dumps([str(path), passes]) + "\n")
            process.stdin.flush()
            printed, error = json.loads(process.stdout.readline())
            assert not error, error
            lines = [line for line in printed.splitlines() if line.startswith("pass ")]
            return [[int(n.replace(",", "")) for n in re.findall(r"([\d,]+) of", line)] for line in lines]

        yield run_one
        process.stdin.close()
        assert process.wait() == 0


def passes_of(program, name: str, chosen: Options, passes: int):
    """The misses of a run in each pass, and its weights after the last one."""
    training, misses, weights = program.trainings.get(name), [], {}
    for event in run(program, training, training.seeds[0], chosen):
        if isinstance(event, PassFinished):
            misses.append([event.done.train.misses] + ([event.done.test.misses] if event.done.test else []))
            weights = dict(event.done.snapshot.parameters)
            if len(misses) == passes:
                break
    return misses, weights


FAST_CLAUSES = ("staged", "pruned", "cut", "places", "transformed-newton")


@pytest.mark.parametrize(
    "name", [n if n in FAST_CLAUSES else pytest.param(n, marks=pytest.mark.slow) for n in CLAUSE_TRAININGS]
)
def test_every_clause_of_a_training_is_written(name, tmp_path, run_page):
    """main() of the page prints the misses of the engine and returns a net with the engine's weights."""
    program = source("rare", tmp_path)
    chosen = options("rare", dtype="float64", engine="torch", out=tmp_path / "runs")
    subject = subject_of_program(program, name, chosen, print)
    done = export_torch(subject, tmp_path / "page.py")
    assert done.notes == () and done.difference < 1e-12
    misses, weights = passes_of(program, name, chosen, subject.training.passes)
    assert run_page(tmp_path / "page.py", subject.training.passes) == misses
    if subject.training.keep:
        assert len(misses) < subject.training.passes  # (stop-after N) has ended it
        return
    net, names = torch.load(tmp_path / "page-trained.pt", weights_only=True), torch_page(subject, "page").names
    for slot, ours in weights.items():
        assert np.abs(ours - subject.start[slot]).max() > 1e-6 or name == "frozen"
        np.testing.assert_allclose(net[names[slot]].numpy(), ours, rtol=1e-6, atol=1e-9, err_msg=slot)


def test_draws_that_are_too_many_are_left_to_pytorch(tmp_path, monkeypatch, run_page):
    monkeypatch.setattr("snsim.export.page_data._MOST_BYTES", 0)
    subject = subject_of_program(source("rare", tmp_path), "staged", options("rare", dtype="float64"), print)
    notes = export_torch(subject, tmp_path / "page.py").notes
    assert len(notes) == 4 and all("as they do between two seeds" in note for note in notes)
    assert len(run_page(tmp_path / "page.py", 5)) == 5
    text = (tmp_path / "page.py").read_text()
    assert "PyTorch draws dropout" in text and "torch.randint" in text and "torch.randn_like" in text


SAME = [("xor", "xor", 40), ("encoder", "encoder", 50), ("tdnn", "tdnn", 5), ("tdnn", "tdnn-maps", 5)]
SAME += [("rare", name, 3) for _, name in RARE_TRAININGS]
SLOW = [("lecun89", "lecun89", 2), ("lenet-1", "lenet-1", 1), ("lenet-5", "lenet-5", 1), ("lecun89-2022",) * 2 + (2,)]
SLOW += [("ladder", "ladder-3", 1), ("ladder", "ladder-4", 1), ("net-3", "net-3", 3), ("net-5", "net-5", 3)]
SLOW += [("ladder", "ladder-5", 1), ("ladder-weight-norm", "ladder-5-weight-norm", 1), ("micro-vit", "micro-vit", 1)]


@pytest.mark.parametrize(
    ("file", "name", "passes"), [*SAME, *(pytest.param(*row, marks=pytest.mark.slow) for row in SLOW)]
)
def test_the_page_prints_the_misses_of_the_run(file, name, passes, tmp_path, run_page):
    program = source(file, tmp_path)
    chosen = options(file, dtype="float64", passes=None, out=tmp_path / "runs")
    export_torch(subject_of_program(program, name, chosen, print), tmp_path / "page.py")
    assert run_page(tmp_path / "page.py", passes) == passes_of(program, name, chosen, passes)[0]


def test_a_run_is_exported_with_its_weights(tmp_path, monkeypatch, capsys):
    """In three commands from nothing to a net in PyTorch; the weights are read without snsim's names for anything."""
    monkeypatch.chdir(tmp_path)
    assert main(["run", str(NETS / "xor.sn"), "--quiet"]) == 0
    assert main(["export", "xor", "--to", "torch"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[-4:-1] == ["xor.py", "xor.pt", "xor-data.pt"] and told[-1].startswith("largest difference ")
    net = load_page(tmp_path / "xor.py").Net()
    net.load_state_dict(torch.load("xor.pt", weights_only=True))
    x = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    assert (net(x) > 0).flatten().tolist() == [True, False, True, False]
    assert main(["export", "no-such-run", "--to", "torch"]) == 1
    assert main(["export", "runs/xor", "--to", "torch", "--training", "xor"]) == 2
    assert main(["export", "runs/xor", "--to", "torch", "-o", "xor.txt"]) == 2


def test_a_net_of_the_gallery_is_exported_with_its_weights(tmp_path, monkeypatch, capsys):
    """The weights are read by safetensors' own reader beside; a run of this name comes first."""
    monkeypatch.chdir(tmp_path)
    for command in (["--to", "torch", "-o", "net.py"], ["--to", "pt2"]):
        assert main(["export", "lecun89", "--data", "digits", "--offline", *command]) == 0
        told = capsys.readouterr()
        assert "lecun89 means the net of the gallery" in told.err and "largest difference" in told.out
    stored = load_file(NETS / "weights" / "lecun89.safetensors")
    stored = {name.replace("-", "_"): values for name, values in stored.items()}
    exported = torch.load("net.pt", weights_only=True)
    assert set(stored) == set(exported) and all(torch.equal(stored[name], exported[name]) for name in stored)
    module = snsim.load("lecun89")
    assert not module.training and all(torch.equal(w, stored[name]) for name, w in module.state_dict().items())
    assert any(not torch.equal(w, stored[name]) for name, w in snsim.load("lecun89", seed=1).state_dict().items())
    assert main(["export", "lecun89", "--to", "torch", "--training", "other"]) == 1
    assert "leave --training out" in capsys.readouterr().err
    assert main(["export", "tdnn", "--to", "pt2", "--training", "tdnn"]) == 0
    assert "no trained weights of tdnn" in capsys.readouterr().err
    assert main(["run", "xor", "--quiet"]) == 0 and main(["export", "xor", "--to", "pt2"]) == 0
    assert "xor means the run runs/xor" in capsys.readouterr().err


def test_the_best_weights_of_a_run_and_those_of_a_file(tmp_path, monkeypatch, capsys, run_page):
    """(keep best ...) with --best, and (initial FILE PLACE) from the folder of a run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts").mkdir()
    weights = np.full((2, 2), 0.25, np.float32)
    np.savez(tmp_path / "texts" / "f.npz", **{"input_hidden.weight": weights})
    text = (NETS / "xor.sn").read_text().replace("(passes   40)", "(passes 6) (keep best train-loss)")
    text = text.replace("(forget   1)", '(forget 1) (initial "f.npz" hidden)')
    (tmp_path / "texts" / "f.npz").unlink()
    np.savez(
        tmp_path / "texts" / "f.npz", **{"input_hidden.weight": weights, "hidden.bias": np.zeros(2), "more": np.ones(3)}
    )
    (tmp_path / "texts" / "own.sn").write_text(text)
    assert main(["run", "texts/own.sn", "--quiet"]) == 0
    folder = next((tmp_path / "runs").iterdir())
    assert main(["export", folder.name, "--to", "torch", "-o", "last.py"]) == 0
    assert main(["export", folder.name, "--to", "torch", "-o", "best.py", "--best"]) == 0
    capsys.readouterr()
    for file, name in (("last.pt", "weights.safetensors"), ("best.pt", "best.safetensors")):
        stored, exported = load_file(folder / name), torch.load(file, weights_only=True)
        assert all(torch.equal(stored[key], exported[key]) for key in exported), name
    data = torch.load("last-data.pt", weights_only=True)
    assert torch.equal(data["start.input_hidden.weight"], torch.from_numpy(weights))
    assert data["start.hidden_output.weight"].abs().max() > 0
    assert len(run_page(tmp_path / "last.py", 6)) == 6
    assert main(["export", "texts/own.sn", "--to", "torch", "--best"]) == 2


def test_a_net_without_data_is_exported_for_what_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SNSIM_DATA", str(tmp_path))
    monkeypatch.setenv("SNSIM_CACHE", str(tmp_path / "cache"))
    net = "(net n (layer input 256) (layer output 10) (connect input output (full)))"
    (tmp_path / "n.sn").write_text(net + "(train n (data zipcode) (epsilon 0.1) (passes 1))")
    assert main(["export", "n.sn", "--to", "torch", "--offline"]) == 0
    told = capsys.readouterr()
    assert "the page does not train: its data were not found" in told.err and "random inputs" in told.out
    assert "main" not in (tmp_path / "n.py").read_text()


HOSTILE = """
(define-nlf |{0}| (x) (tanh x))
(define-cost |{1}| (x d) (* 0.5 (** (- x d) 2)))
(define-update |{2}| ((|{3}| 0.5)) (|{4}| |{5}| t1 new_t1) (setq |{4}| (* 0.5 (+ |{4}| h)) |{5}| (* 0.5 (+ |{5}| g)))
  (setq t1 (+ t1 g) new_t1 (+ new_t1 t1))
  (setq w (- w (* rate |{3}| (/ |{5}| (+ 1 |{4}| (abs t1) (abs new_t1)))))))
(net |{6}| (default (nlf |{0}|)) (layer |{7}| 2) (layer |{8}| 2) (layer |{9}| 2) (layer |{10}| 1)
  (connect |{7}| |{8}| (full)) (connect |{8}| |{9}| (full)) (connect |{9}| |{10}| (full)))
(train |{11}| (net |{6}|) (data (examples [[0 1] [1 0] [1 1]] [[1] [0.5] [-1]])) (cost |{1}|)
  (update |{2}| (|{3}| (linear 0.5 0.1))) (epsilon 0.1) (correct quadrant) (passes 2))
"""
WORDS = {
    "python": ["class", "x2", "torch", "name", "rate_", "w_", "forward", "1a", "len", "self", "tanh_slope", "main"],
    "clashes": ["tanh2", "lambda", "sum", "v", "a+b", "a-b", "n", "h1", "h1_a", "h1_q", "h1+", "print"],
    "quotes": ['"""', "'''", "#{", "o[", "(exit)", "*/", "__import__", "a.b", "s;t", "a\u00e9", "\uff45val", "\u2126"],
}


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_names_cannot_leave_the_page(words, tmp_path, run_page):
    """Whatever things are called, the page trains alike, and calls nothing but PyTorch, itself and a few built-ins."""
    pages, misses = {}, []
    for kind, names in (("plain", [f"plain{k}" for k in range(12)]), ("hostile", words)):
        (tmp_path / f"{kind}.sn").write_text(HOSTILE.format(*names), encoding="utf-8")
        subject = subject_of_program(read_program(tmp_path / f"{kind}.sn"), None, OPTIONS, print)
        assert export_torch(subject, tmp_path / f"{kind}.py").difference < 1e-12
        misses.append(run_page(tmp_path / f"{kind}.py", 2))
        pages[kind] = ast.parse((tmp_path / f"{kind}.py").read_text(encoding="utf-8"))
    assert misses[0] == misses[1] and len(misses[0]) == 2
    plain, hostile = ([type(node) for node in ast.walk(page)] for page in pages.values())
    assert plain == hostile
    plain, hostile = (
        {node.func.id for node in ast.walk(page) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        - {node.name for node in ast.walk(page) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        for page in pages.values()
    )
    assert plain == hostile
