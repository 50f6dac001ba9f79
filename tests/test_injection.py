"""No text of a program becomes code: names with hidden characters are refused where they are declared, the IR holds
letters of a fixed alphabet, linked code calls no function of the process but those it needs, and nothing else in snsim
turns text into code."""

from __future__ import annotations

import ast
import io
import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest

import snsim
from snsim.engines import build
from snsim.engines.plan import plan
from snsim.engines.protocol import Settings
from snsim.errors import SnError, Source
from snsim.language import hidden_characters
from snsim.language.forms import fold
from snsim.language.literals import string_text
from snsim.program import read_program
from snsim.sn28.graphics.canvas import Screen
from snsim.training.spec import Training


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNSIM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


# ---- Names -------------------------------------------------------------------------------------------------------

NET = "(net a (layer i 2) (layer o 1) (connect i o (full)))\n"
TRAIN = "(train a (data (examples [[1 2]] [[1]])) (correct quadrant) (epsilon 0.1) (passes 1) %s)"

# Every place in which a program states a name or a text that is shown; X is the name.
DECLARATIONS = [
    "(net X (layer i 2) (layer o 1) (connect i o (full)))",
    "(net a (layer X 2) (layer o 1) (connect X o (full)))",
    "(net a (layer (i X) 2) (layer o 1) (connect (i X) o (full)))",
    "(table X (x -) (- x))",
    "(define-nlf X (x) (tanh x))",
    "(define-nlf n (x |X|) x)",
    "(define-nlf n (x) X (tanh x))",
    "(define-cost X (x d) (** (- x d) 2))",
    "(define-cost c (x d (X 1)) (** (- x d) 2))",
    "(define-cost c (x d) X (** (- x d) 2))",
    "(define-update X () () (setq w (- w g)))",
    "(define-update u ((X 1)) () (setq w (- w g)))",
    "(define-update u () (X) (setq w (- w g)))",
    "(define-update u () () X (setq w (- w g)))",
    NET + "(train X (net a))",
    *(
        NET + TRAIN % clause
        for clause in (
            "(note X)",
            "(published (X 1))",
            "(dropout 0.1 X)",
            "(forget 1 X)",
            "(epsilon 0.1 X)",
            "(cost X)",
            "(update X)",
            "(update sgd (X 1))",
            "(stage (X 1))",
            "(order X)",
            "(net X)",
            "(like X)",
        )
    ),
    "(setq v X) (net ,v (layer i 2))",
    "(setq v '(layer X 2)) (net a ,v (layer o 1) (connect i o (full)))",
    "(setq v X) (net a (layer i 2) ,@(list (list 'layer v 1)))",
]
LISP = [
    "(de X (a) a)",
    "(df X (a) a)",
    "(dm X (a) a)",
    "(dmd X (a) a)",
    "(defun X (a) a)",
    "(defmacro X (a) a)",
    "(de f (X) 1)",
    "(de f (a &optional X) 1)",
    "(de f (a &rest X) 1)",
    "(lambda (X) 1)",
    "(let ((X 1)) 2)",
    "(defvar X 1)",
    "(defparameter X 1)",
    "(defclass X object)",
    "(defclass c object X)",
    "(defclass c object (X 1))",
    "(defclass c object) (defmethod c X () 1)",
]
HIDDEN = ["\n", "\r", "\t", "\0", "\x1b", "\x7f", "\x85", "\xad"]  # what a string of SN can spell: up to \xff
FURTHER = ["\u200b", "\u202e", "\u2028", "\u2029", "\ufeff", "\U000e0041"]


def refused(text: str) -> SnError:
    with pytest.raises(SnError) as raised:
        read_program(Source("<test>", text))
    return raised.value


def check_refusal(text: str, character: str) -> None:
    error = refused(text)
    fault = error.faults[0]
    assert f"U+{ord(character):04X}" in fault.message and fault.span is not None and fault.hint, text
    shown = fault.message + fault.hint
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in shown), shown


@pytest.mark.parametrize("declaration", DECLARATIONS)
def test_hidden_characters_are_refused_in_every_declared_name_and_text(declaration: str) -> None:
    for character in HIDDEN + FURTHER:
        name = f"q{character}r"
        if character != "\n" or "|X|" not in declaration:  # a line feed ends a symbol between bars
            check_refusal(declaration.replace("|X|", f"|{name}|").replace("X", string_text(name)), character)


@pytest.mark.parametrize("definition", LISP)
def test_hidden_characters_are_refused_in_the_names_that_the_lisp_defines(definition: str) -> None:
    for character in [c for c in HIDDEN if c != "\n"] + FURTHER:
        check_refusal(definition.replace("X", f"|q{character}r|"), character)


def test_the_title_of_a_window_is_shown_without_hidden_characters() -> None:
    screen = Screen()
    assert screen.open(10, 10, "a\x1b[31m\nb").title == "a\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}b"


def test_programs_may_compute_with_hidden_characters_and_print_them() -> None:
    port = io.StringIO()
    read_program(Source("<test>", '(setq |a\x1b| "x\\n\\x1by") (printf "%s" |a\x1b|)'), port=port)
    assert port.getvalue() == "x\n\x1by"


@pytest.mark.parametrize("name", ["ä", "日本", "a b", "a & b ^ ~ ` $ \\", "🙂", "e\u0301", "ﷺ", "x" * 10_000])
def test_visible_names_are_taken(name: str) -> None:
    made = read_program(Source("<test>", NET.replace("net a", f"net {string_text(name)}"))).nets.own()
    assert [entry.name for entry in made] == [name]


# ---- The IR ------------------------------------------------------------------------------------------------------

HOSTILE = [
    'q"quoted" \\22 \\',
    "c\ndefine void @mine() {\n  ret void\n}\n;",
    "a\r\n}\n@g = global i32 0\n;",
    "@llvm.global_ctors",
    "%state",
    "llvm.memcpy",
    "learn",
    "evaluate",
    "\x01memcpy",
    "日本 🙂 \u202e",
    "n" * 10_000,
    "n" * 9_999 + "m",
    "o forward",
    "~2",
    "%0A",
    "}",
    "!0 = !{}",
    'attributes #0 = { "x" }',
    "\0",
    "\ud800",
    "llvm.",
    ".init_array",
]
POSITIONS = 9  # of names in PROGRAM
PROGRAM = """
(define-nlf {6} (x) (tanh x))
(net {0} (layer {1} (2 3 3)) (layer {2} (2 3 3)) (layer {3} (2 3 3)) (layer {4} 3) (layer {5} 2 (nlf {6}))
  (connect {1} {2} (mask 3 3) (border 1 0)) (normalize {2} {3}) (attend {2} {2} {2} {3} (heads 1))
  (connect {3} {4} (full)) (connect {4} {5} (full)))
(define-cost {7} (x d) (* 0.5 (** (- x d) 2)))
(define-update {8} ((k 0.5)) (v) (setq v (+ (* k v) (* 0.1 g))) (setq w (- w (* rate v))))
(train {0} (data (examples [[{x}]] [[1 1]])) (cost {7}) (correct quadrant) (update {8}) (epsilon 0.1) (passes 1))
"""


def training(names: list[str]) -> Training:
    text = PROGRAM.format(*(string_text(name) for name in names), x="1 " * 18)
    return read_program(Source("<test>", text)).own_trainings[0]


def learned(named: Training, batch: int) -> list[np.ndarray]:
    """Parameters, states of the rule and outputs after some patterns, in the order of the net."""
    made, rule = plan(named.net), named.stages[0].rule
    rng = np.random.default_rng(1)
    x, d = rng.uniform(-1, 1, (7, made.input_units)), rng.uniform(-1, 1, (7, made.output_units))
    engine = build("native", made, named.cost, rule, np.float64, {})
    engine.load_parameters({p.name: rng.uniform(-1, 1, p.shape) for p in made.parameters.values()})
    rates = {name: 0.01 * (k + 1) for k, name in enumerate(made.parameters)}
    engine.learn(x, d, Settings(rates, dict(rule.options), batch))
    return [*engine.parameters().values(), *engine.state().values(), engine.outputs(x)]


def without_names(ir: str) -> str:
    """The IR without its comments, each symbol replaced by its number."""
    lines = [line for line in ir.splitlines() if not line.lstrip().startswith(";")]
    numbers: dict[str, str] = {}
    return re.sub(r'@"[^"]*"', lambda found: numbers.setdefault(found[0], f"@{len(numbers)}"), "\n".join(lines))


@pytest.mark.parametrize("start", range(len(HOSTILE)))
def test_the_ir_holds_no_text_of_the_program(start: int, monkeypatch: pytest.MonkeyPatch) -> None:
    llvm = pytest.importorskip("llvmlite.binding", reason="the native engine needs llvmlite")
    from snsim.engines.native import ir_text

    monkeypatch.setattr(hidden_characters, "find_hidden", lambda text: None)  # the names come through
    hostile = training([HOSTILE[(start + k) % len(HOSTILE)] for k in range(POSITIONS)])
    plain = training([f"p{k}" for k in range(POSITIONS)])
    assert hostile.name == fold(HOSTILE[start])  # the net has the name that was meant
    texts = [ir_text(plan(named.net), named.cost, named.stages[0].rule) for named in (hostile, plain)]
    assert set(texts[0]) <= set(map(chr, range(32, 127))) | {"\n"} and max(map(len, texts[0].splitlines())) < 2_000
    assert without_names(texts[0]) == without_names(texts[1])
    modules = [llvm.parse_assembly(text) for text in texts]
    for module in modules:
        module.verify()
        assert not list(module.global_variables)
    defined, declared = (
        [[f.name for f in module.functions if bool(f.is_declaration) is kind] for module in modules]
        for kind in (False, True)
    )
    assert declared[0] == declared[1] and all(name.startswith("llvm.") for name in declared[0])
    assert len(defined[0]) == len(defined[1]) == texts[0].count("\ndefine ")
    assert {"learn", "evaluate", "states"} <= set(defined[0])
    assert all(re.fullmatch(r"[\w .,:;()+*/='^<>%~-]{1,520}", name, re.ASCII) for name in defined[0])
    for batch in (1, 3):
        for ours, theirs in zip(learned(hostile, batch), learned(plain, batch), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_plain_names_stay_readable_in_the_ir() -> None:
    pytest.importorskip("llvmlite", reason="the native engine needs llvmlite")
    from snsim.engines.native import ir_text

    named = training([f"p{k}" for k in range(POSITIONS)])
    text = ir_text(plan(named.net), named.cost, named.stages[0].rule)
    comments = [line for line in text.splitlines() if line.lstrip().startswith(";")]
    assert not any("%" in line for line in comments)  # nothing in them had to be encoded
    assert '@"p2 forward"(' in text and "; from p5 back to p4, and the weights between" in comments


# ---- What linked code can reach ----------------------------------------------------------------------------------

CALLS = "declare i32 @{0}(ptr)\ndefine void @f(ptr %p) {{\n  %r = call i32 @{0}(ptr %p)\n  ret void\n}}\n"
STORES = "define void @f(ptr %p) {\n  store i32 7, ptr %p\n  ret void\n}\n"
CONSTRUCTORS = (
    "@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] "
    "[{ i32, ptr, ptr } { i32 65535, ptr @c, ptr null }]\n"
    "define internal void @c() {\n  ret void\n}\n" + STORES
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        *((CALLS.format(name), f"calls {name}") for name in ("system", "getpid", "dlsym", "mprotect", "memcpy2")),
        (
            "declare double @llvm.exp.f64(double)\ndefine void @f(ptr %p) {\n  %1 = call double @llvm.exp.f64(double 2.0)\n"  # noqa: E501
            "  store double %1, ptr %p\n  ret void\n}\n",
            "calls exp",
        ),  # LLVM itself calls the function
        ("@g = global i32 0\n" + STORES, "global variable"),
        (CONSTRUCTORS, "llvm.global_ctors"),
    ],
)
@pytest.mark.parametrize("cached", [False, True])
def test_code_that_reaches_further_is_not_linked(
    text: str, reason: str, cached: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("llvmlite", reason="the native engine needs llvmlite")
    from snsim.engines.native import jit

    if cached:  # an object that was not checked as a module
        import llvmlite.binding as llvm

        jit.machine("float64")
        module = llvm.parse_assembly(text)
        image = jit._target_machine().emit_object(module)
        if not image.startswith(b"\x7fELF") or "@g = global" in text:
            pytest.skip("read from objects of the format ELF; a variable of its own does no harm")
        monkeypatch.setattr(jit, "object_code", lambda text: image)
        reason = "runs when the object is loaded" if text is CONSTRUCTORS else reason
    with pytest.raises(SnError, match=reason):
        jit.Code(text, ("f",))


def test_a_function_of_the_library_is_linked_by_its_address() -> None:
    pytest.importorskip("llvmlite", reason="the native engine needs llvmlite")
    import ctypes

    from snsim.engines.native import jit

    text = (
        "declare double @tanh(double)\ndefine void @f(ptr %p) {\n  %x = load double, ptr %p\n"
        "  %t = call double @tanh(double %x)\n  store double %t, ptr %p\n  ret void\n}\n"
    )
    code = jit.Code(text, ("f",))
    x = np.array([0.3])
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address("f"))(x.ctypes.data)
    assert abs(x[0] - np.tanh(0.3)) < 1e-15


# ---- Names that the native engine uses itself --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "state"),
    [
        ("k", "mask"),
        ("k", "sum g"),
        ("k", "curvature"),
        ("k", "rate o.bias"),
        ("uniform 0", "v"),
        ("rate i_o.weight", "v"),
        ("option k", "uniform 0"),
        ("k", "a/b"),
        ("%state", "@g = global i32 0"),
        ("}", '" \\22'),
    ],
)
def test_options_and_states_are_taken_for_nothing_of_the_engines_own(option: str, state: str) -> None:
    text = f"""(net a (layer i 3) (layer o 5) (connect i o (full)))
        (define-update u ((|{option}| 0.5) (other 2)) (b |{state}|)
          (setq b (+ g b) |{state}| (+ (* 0.5 |{state}|) g (* 0.01 h)))
          (setq w (- w (+ (* rate |{option}| |{state}|) (* 0.001 (+ 1 |{option}|) (* other other) b)))))
        (train a (data (examples [[1 2 3]] [[1 1 1 1 1]])) (update u) (correct quadrant) (epsilon 0.1) (passes 1))"""
    named = read_program(Source("<test>", text)).own_trainings[0]
    made, rule = plan(named.net), named.stages[0].rule
    rng = np.random.default_rng(1)
    x, d = rng.normal(size=(7, 3)), rng.normal(size=(7, 5))
    weights = {name: rng.normal(size=p.shape) for name, p in made.parameters.items()}
    rates = {name: np.full(p.shape, 0.01) + 0.01 * rng.random(p.shape) for name, p in made.parameters.items()}
    held = {name: np.ones(p.shape) for name, p in made.parameters.items()}
    for settings in (
        Settings({name: 0.01 * (k + 1) for k, name in enumerate(made.parameters)}, dict(rule.options)),
        Settings(rates, dict(rule.options), 3),
        Settings(rates, dict(rule.options), 2, True, held),
    ):
        results = []
        for kind in ("native", "reference"):
            engine = build(kind, made, named.cost, rule, np.float64, {})
            engine.load_parameters(weights)
            engine.learn(x, d, settings)
            engine.load_state(engine.state())
            engine.learn(x, d, settings)
            results.append({**engine.parameters(), **engine.state()})
        for name in results[1]:
            np.testing.assert_allclose(results[0][name], results[1][name], rtol=1e-9, atol=1e-12, err_msg=name)


# ---- Nothing else turns text into code ---------------------------------------------------------------------------

# Functions that run a text or a file as code, or start a program, and the files that may call them.
RUNS_CODE = {
    "exec",
    "eval",
    "compile",
    "__import__",
    "system",
    "popen",
    "Popen",
    "check_output",
    "check_call",
    "getoutput",
    "execv",
    "spawnv",
    "loads",
    "load_source",
    "exec_module",
    "literal_eval",
    "fork",
}
MAY = {
    ("comparison/load_module.py", "exec"),
    ("comparison/load_module.py", "compile"),  # the user's module, on demand
    ("comparison/torch_side.py", "eval"),  # a method of a module of PyTorch
    ("comparison/script/watcher.py", "exec"),
    ("comparison/script/watcher.py", "compile"),  # the user's script, in a process of its own
    ("comparison/script/events.py", "subprocess"),
    ("comparison/script/events.py", "Popen"),  # Python with the watcher and that script
    ("data_classes.py", "exec"),  # `__init__` of a data class, from the names of its fields
    ("export/writing.py", "exec"),
    ("export/writing.py", "compile"),  # an exported page, see test_export_torch.py
    ("export/c_object.py", "subprocess"),  # the C compiler, and the example that it compiled
    ("language/hot_code.py", "exec"),
    ("language/hot_code.py", "compile"),  # a translated program: test_no_text_of_a_program_is_in_its_translation
    ("engines/native/engine.py", "compile"),  # a method of the host of machine code, not the function of Python
    ("page/play/server.py", "compile"),  # a method of the playground
    ("page/play/compiler.py", "subprocess"),  # names of types and errors
    ("page/play/processes.py", "subprocess"),
    ("page/play/processes.py", "Popen"),  # snsim itself, with a text on its standard input
    ("page/play/watching.py", "subprocess"),
}


def calls(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            f = node.func
            owner = f.value.id if isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name) else ""
            name = f.id if isinstance(f, ast.Name) else f.attr if isinstance(f, ast.Attribute) else ""
            if name in RUNS_CODE and (owner, name) not in {("re", "compile"), ("json", "loads")}:
                found.add(name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found.update({"pickle", "subprocess", "marshal", "shelve", "dill"} & {name.split(".")[0] for name in names})
    return found


def test_no_file_runs_text_as_code() -> None:
    room = Path(snsim.__file__).parent
    found = {(path.relative_to(room).as_posix(), name) for path in room.rglob("*.py") for name in calls(path)}
    assert found - MAY == set()


# ---- Names that become paths -------------------------------------------------------------------------------------


LONG = [pytest.param("x" * 70_000, marks=pytest.mark.slow, id="long"), "x" * 300]  # no file name has 256 letters


@pytest.mark.parametrize("name", ["../../out", "TOP/out", "..", "a/b", "-rf", *LONG, "日本", "~", "c\\d", "*"])
def test_no_name_of_a_program_leads_out_of_its_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from snsim.cli.main import main

    top = tmp_path / "a" / "b"
    top.mkdir(parents=True)
    monkeypatch.chdir(top)
    called = string_text(name.replace("TOP", str(tmp_path)))
    text = (NET + TRAIN).replace("net a", f"net {called}").replace("train a", f"train {called}")
    Path("n.sn").write_text(text % "")
    assert main(["plot", "net", "n.sn"]) == 0 and main(["run", "n.sn", "--quiet"]) == 0
    (drawn,) = top.glob("*.png")
    (run,) = (top / "runs").iterdir()
    inside = [{path.name for path in folder.iterdir()} for folder in (tmp_path, tmp_path / "a", top)]
    assert inside == [{"a"}, {"b"}, {"n.sn", "runs", drawn.name}] and not drawn.name.startswith(("-", "."))
    assert (run / "run.json").is_file()
