"""The house rules as tests: who may import whom, what a start costs, that everything on a shelf says what it is."""

from __future__ import annotations

import ast
import functools
import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import data_folder
import pytest

from snsim.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))

import draw_house  # noqa: E402

PACKAGE = ROOT / "snsim"
MODULES = draw_house.module_paths()


@functools.cache
def graph() -> draw_house.Graph:
    """Return who imports whom; not when tests are collected, which each process of pytest does."""
    return draw_house.module_graph(MODULES)


# The rooms, low to high. A module imports from its own room and from those that its row names.
LAW: dict[str, set[str]] = {
    "operating_system": set(),
    "errors": set(),
    "escaping": {"errors"},
    "text_table": {"errors"},
    "atomic_files": {"operating_system"},
    "protected_files": {"errors", "atomic_files"},
    "todays_words": set(),
    "registry": {"errors", "todays_words"},
    "optional_packages": {"errors"},
    "json_reader": {"operating_system", "errors"},
    "run_schema": {"json_reader"},
    "memory_limit": {"operating_system"},
    "cache_folder": {"operating_system", "errors"},
    "page_templates": {"escaping"},
    "colour": {"errors", "escaping"},
    "input_files": {"operating_system", "errors"},
    "array_files": {"errors", "input_files"},
    "tensor_file": {"errors", "input_files", "array_files"},
    "gallery": {"errors", "registry", "protected_files", "input_files", "array_files"},
    "language": {"operating_system", "errors", "escaping", "registry", "input_files"},
    "formatter": {"errors", "language"},
    "data": {"errors", "escaping", "text_table", "registry", "cache_folder", "input_files", "array_files"},
    "network": {"errors", "text_table", "registry", "language"},
    "engines": {"operating_system", "errors", "registry", "optional_packages", "cache_folder", "network"},
    "training": {
        "operating_system",
        "errors",
        "memory_limit",
        "registry",
        "input_files",
        "array_files",
        "language",
        "data",
        "network",
        "engines",
    },
    "learning": {"training"},  # the old path of training, for plug-ins
    "plugins": {"errors", "language", "data", "network", "engines", "training"},
    "runtime": {
        "errors",
        "array_files",
        "protected_files",
        "atomic_files",
        "registry",
        "input_files",
        "language",
        "data",
        "network",
    },
    "sn28": {
        "errors",
        "protected_files",
        "atomic_files",
        "registry",
        "optional_packages",
        "input_files",
        "language",
        "data",
        "network",
        "engines",
        "runtime",
    },
    "lush": {"errors", "registry", "input_files", "language", "data", "network", "engines", "runtime"},
    "program": {"errors", "registry", "language", "network", "training", "runtime", "sn28", "lush"},
    "run_folder": {
        "operating_system",
        "errors",
        "protected_files",
        "escaping",
        "atomic_files",
        "json_reader",
        "run_schema",
        "tensor_file",
        "input_files",
        "training",
    },
    "plots": {"errors", "protected_files", "text_table", "registry", "optional_packages", "network", "training"},
    "runs": {
        "escaping",
        "operating_system",
        "errors",
        "gallery",
        "registry",
        "text_table",
        "input_files",
        "array_files",
        "language",
        "data",
        "network",
        "engines",
        "training",
        "program",
        "run_folder",
    },
    "api": {
        "errors",
        "gallery",
        "registry",
        "optional_packages",
        "input_files",
        "data",
        "network",
        "engines",
        "training",
        "program",
        "runs",
    },
    "convert": {
        "errors",
        "text_table",
        "registry",
        "language",
        "formatter",
        "network",
        "runtime",
        "sn28",
        "lush",
        "program",
    },
    "reports": {
        "errors",
        "protected_files",
        "escaping",
        "text_table",
        "registry",
        "input_files",
        "language",
        "network",
        "training",
        "program",
        "runs",
        "plots",
        "page_templates",
    },
    "glossary": {
        "errors",
        "cache_folder",
        "todays_words",
        "gallery",
        "text_table",
        "registry",
        "colour",
        "data",
        "network",
        "engines",
        "training",
        "lush",
        "program",
        "plots",
    },
    "comparison": {
        "errors",
        "text_table",
        "registry",
        "optional_packages",
        "json_reader",
        "input_files",
        "network",
        "engines",
        "training",
        "program",
        "page_templates",
        "plots",
        "runs",
        "reports",
    },
    "export": {
        "errors",
        "gallery",
        "protected_files",
        "optional_packages",
        "registry",
        "network",
        "engines",
        "training",
        "program",
        "runs",
    },
    "studies": {
        "page_templates",
        "plots",
        "reports",
        "errors",
        "escaping",
        "registry",
        "optional_packages",
        "protected_files",
        "cache_folder",
        "input_files",
        "language",
        "data",
        "engines",
        "operating_system",
        "training",
        "program",
        "run_folder",
        "runs",
    },
    "console": {
        "errors",
        "escaping",
        "text_table",
        "optional_packages",
        "colour",
        "training",
        "plots",
        "runs",
        "reports",
    },
    "editor": {
        "errors",
        "protected_files",
        "optional_packages",
        "input_files",
        "language",
        "formatter",
        "network",
        "lush",
        "program",
        "glossary",
    },
    "page": {
        "operating_system",
        "errors",
        "escaping",
        "text_table",
        "protected_files",
        "registry",
        "json_reader",
        "memory_limit",
        "page_templates",
        "colour",
        "input_files",
        "tensor_file",
        "gallery",
        "language",
        "data",
        "network",
        "engines",
        "training",
        "program",
        "run_folder",
        "runs",
        "editor",
        "glossary",
    },
    "prompt": {
        "errors",
        "protected_files",
        "escaping",
        "text_table",
        "registry",
        "tensor_file",
        "cache_folder",
        "colour",
        "input_files",
        "language",
        "data",
        "network",
        "training",
        "runtime",
        "sn28",
        "lush",
        "program",
        "run_folder",
        "plots",
        "runs",
        "reports",
        "glossary",
        "editor",
    },
    "notebook": {"training", "page", "prompt"},
    "cli": {
        "operating_system",
        "errors",
        "protected_files",
        "escaping",
        "text_table",
        "registry",
        "todays_words",
        "optional_packages",
        "cache_folder",
        "colour",
        "memory_limit",
        "input_files",
        "gallery",
        "language",
        "formatter",
        "data",
        "network",
        "engines",
        "training",
        "program",
        "run_folder",
        "plots",
        "runs",
        "convert",
        "reports",
        "glossary",
        "comparison",
        "export",
        "studies",
        "console",
        "editor",
        "page",
        "prompt",
    },
    "__main__": {"operating_system", "cli"},
}

# What only the named modules may import, wherever in the module the import stands.
KEPT_FOR = {
    "torch": {"engines/torch", "training/torch_optimizer.py", "api.py", "comparison", "export"},
    "llvmlite": {"engines/native"},
    "lark": set(),  # it computes snsim/language/grammar.json: tests/grammar_tables.py
    "click": {"cli", "console", "colour.py"},
    "rich": {"plots", "reports", "console", "cli"},
    "pooch": {"data"},
    "filelock": {"operating_system.py"},
    "platformdirs": {"cache_folder.py"},
    "jinja2": {"page_templates.py"},
    "matplotlib": {"plots", "reports", "sn28/graphics/live_windows.py"},
    "PIL": {"data/pictures.py", "sn28/graphics/raster.py"},
    "distributed": {"studies/executors.py"},
    "tensorboard": {"console/tensorboard_view.py"},
    "prompt_toolkit": {"prompt/terminal.py"},
    "pygments": {"editor/lexer.py"},
    "pygls": {"editor/server.py"},
    "lsprotocol": {"editor/server.py"},
    "IPython": {"prompt/notebook.py"},
    "onnx": {"export/graph.py"},
    "onnxruntime": {"export/graph.py"},
    "onnxscript": {"export/graph.py"},
}

# What must be imported inside the function that needs it, never when a module starts.
LAZY: dict[str, set[str]] = {
    "torch": {
        "engines/torch",
        "training/torch_optimizer.py",
        "comparison/match_parameters.py",
        "comparison/own_step.py",
        "comparison/source_lines.py",
        "comparison/torch_side.py",
        "comparison/torch_hooks.py",
        "export/graph.py",
        "export/writing.py",
    },
    "rich": set(),
    "pooch": set(),
    "filelock": set(),
    "matplotlib": set(),
    "PIL": set(),
    "distributed": set(),
    "tensorboard": set(),
    "prompt_toolkit": {"prompt/terminal.py"},
    "pygments": {"editor/lexer.py"},
    "pygls": {"editor/server.py"},
    "lsprotocol": {"editor/server.py"},
    "IPython": set(),
    "onnx": set(),
    "onnxruntime": set(),
    "onnxscript": set(),
}

MOST_FLOORS = 12
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}


def allowed(module: Path, places: set[str]) -> bool:
    name = module.relative_to(PACKAGE).as_posix()
    return any(name == place or name.startswith(place + "/") for place in places)


def test_rooms_import_only_what_the_law_allows() -> None:
    wrong = []
    for module, targets in graph().items():
        room = draw_house.room_of(module)
        if room == "__init__":
            continue
        if room not in LAW:
            wrong.append(f"{room} is a new room: give it a row in the law")
            continue
        for other in sorted({draw_house.room_of(target) for target in targets} - {room, "__init__"}):
            if other not in LAW[room]:
                wrong.append(f"{module}: {room} may not import {other}")
    assert not wrong, "\n".join(wrong)


def test_the_law_has_no_arrow_up() -> None:
    order = list(LAW)
    up = [
        f"{room} names {other}, which stands above it"
        for number, room in enumerate(order)
        for other in LAW[room]
        if order.index(other) >= number
    ]
    assert not up, "\n".join(up)


def test_libraries_are_imported_where_they_belong() -> None:
    wrong = []
    for module in MODULES.values():
        for names, places in ((draw_house.imports(module), KEPT_FOR), (draw_house.imports(module, True), LAZY)):
            for name, line in names:
                library = name.split(".")[0]
                if library in places and not allowed(module, places[library]):
                    where = "only " + ", ".join(sorted(places[library])) if places[library] else "no file"
                    late = "" if places is KEPT_FOR else " at its start"
                    wrong.append(f"{module.relative_to(ROOT)}:{line}: {where} may import {library}{late}")
    assert not wrong, "\n".join(wrong)


POSIX_MODULES = {
    "fcntl",
    "resource",
    "pwd",
    "grp",
    "termios",
    "tty",
    "pty",
    "posix",
    "syslog",
    "nt",
    "msvcrt",
    "winreg",
}
# By module what Windows does not have (https://docs.python.org/3/library/os.html and signal.html, "Availability"), and
# what asks for the system.
POSIX_NAMES = {
    "os": re.compile(
        r"name|uname|(get|set)(res|e)?[ug]id|getgroups|setgroups|[gs]et(pgid|pgrp|sid)|[fl]?chown|fchmod|lchmod|chroot|"
        r"fork(pty)?|wait(3|4|id)?|killpg|mkfifo|mknod|f?pathconf|sysconf|confstr|sched_\w+|posix_\w+|nice|getloadavg|"
        r"f?statvfs|p(read|write)v?2?|(read|write)v|sendfile|lockf|f?sync_\w+|fdatasync|sync|ctermid|openpty|"
        r"O_(BINARY|NOFOLLOW|NONBLOCK|NDELAY|NOCTTY|DIRECTORY|CLOEXEC|D?SYNC|NOATIME|PATH|TMPFILE)"
    ),
    "signal": re.compile(
        r"pthread_\w+|alarm|[gs]etitimer|pause|sig(wait|waitinfo|timedwait|pending|interrupt)|"
        r"SIG(KILL|HUP|QUIT|PIPE|ALRM|CHLD|USR[12]|STOP|TSTP|CONT|WINCH)|CTRL_\w+"
    ),
    "sys": re.compile("platform|getwindowsversion"),
}


def test_one_file_asks_for_the_operating_system() -> None:
    """The names stand as attributes, in `from os import ...`, or in getattr(os, "...") and hasattr(os, "...")."""
    wrong = []
    for path in MODULES.values():
        if path.name == "operating_system.py":
            continue
        names = [name.split(".")[0] for name, _ in draw_house.imports(path)]
        wrong += [f"{path}: imports {name}" for name in names if name in POSIX_MODULES]
        text = path.read_text(encoding="utf-8")
        if not re.search(rf"\b({'|'.join(POSIX_NAMES)})\b", text):
            continue  # names none of these modules
        for node in ast.walk(ast.parse(text)):
            used: list[tuple[str, str]] = []
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                used = [(node.value.id, node.attr)]
            elif isinstance(node, ast.ImportFrom) and node.module in POSIX_NAMES:
                used = [(node.module, alias.name) for alias in node.names]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith("attr"):
                match node.args[:2]:
                    case [ast.Name(id=module), ast.Constant(value=str(name))]:
                        used = [(module, name)]
            wrong += [
                f"{path}:{node.lineno}: {module}.{name}"  # type: ignore[attr-defined]
                for module, name in used
                if module in POSIX_NAMES and POSIX_NAMES[module].fullmatch(name)
            ]
    assert not wrong, "only snsim/operating_system.py may use: " + "\n".join(wrong)


def test_reports_and_plots_read_no_engine() -> None:
    for module, targets in graph().items():
        if draw_house.room_of(module) in ("reports", "plots"):
            assert not [name for name in targets if name.startswith("snsim.engines")], module


def test_no_circle_of_imports() -> None:
    """Imports inside functions and under TYPE_CHECKING count."""
    assert draw_house.circles(graph()) == []


def test_a_circle_is_seen_wherever_its_imports_stand(tmp_path: Path) -> None:
    package = tmp_path / "snsim"
    package.mkdir()
    (package / "a.py").write_text("def f():\n    from snsim.b import g\n")
    (package / "b.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from snsim import c\n")
    (package / "c.py").write_text("import snsim.a\n")
    (package / "d.py").write_text("import snsim.a\n")
    found = draw_house.module_graph(draw_house.module_paths(package))
    assert draw_house.circles(found) == [["snsim.a", "snsim.b", "snsim.c"]]


def test_the_house_has_few_floors() -> None:
    assert max(draw_house.floors(draw_house.room_graph(graph())).values()) <= MOST_FLOORS


def test_the_picture_of_the_house_is_true() -> None:
    rooms = {room: targets for room, targets in draw_house.room_graph(graph()).items() if room != "__init__"}
    assert draw_house.PICTURE.read_text(encoding="utf-8") == draw_house.draw(rooms), "run `make house`"


def test_no_module_hides_a_public_function() -> None:
    """`snsim.compare` is a function; a module snsim/compare.py would take its place once it is imported."""
    public = set(importlib.import_module("snsim").__all__)
    assert len(public) >= 6
    assert not public & {path.stem for path in PACKAGE.iterdir()}


def test_modules_have_telling_names_and_say_what_they_are() -> None:
    wrong = [
        f"{path}: the name says nothing"
        for path in MODULES.values()
        if path.stem in FORBIDDEN_NAMES or path.parent.name in FORBIDDEN_NAMES
    ]
    for path in MODULES.values():
        if not draw_house.read_module(path).docstring and path.read_text(encoding="utf-8").strip():
            wrong.append(f"{path} has no docstring")
    assert not wrong, "\n".join(wrong)


MOST_IGNORED = 20  # lines of snsim/ whose types are not checked
IGNORE = re.compile(r"#\s*type:\s*ignore(?P<codes>\[[a-z-]+(, ?[a-z-]+)*\])?|#\s*mypy:")


def test_types_are_strict_and_few_lines_are_ignored() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    assert settings["files"] == ["snsim"] and settings["strict"] is True
    for override in settings["overrides"]:  # packages without types, and nothing of snsim
        assert set(override) == {"module", "ignore_missing_imports"}
        assert not [module for module in override["module"] if module.split(".")[0] in ("snsim", "*")]
    found = [
        (f"{path.relative_to(ROOT)}:{number}", match["codes"])
        for path in MODULES.values()
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1)
        for match in IGNORE.finditer(line)
    ]
    assert [place for place, codes in found if codes is None] == [], "name the code: type: ignore[...]"
    assert len(found) <= MOST_IGNORED, "\n".join(place for place, _ in found)
    assert (PACKAGE / "py.typed").is_file()  # tells other programs that snsim has types


LIGHT = {
    "torch",
    "rich",
    "pooch",
    "filelock",
    "PIL",
    "sklearn",
    "scipy",
    "matplotlib",
    "safetensors",
    "requests",
    "prompt_toolkit",
    "pygments",
    "pygls",
    "lark",
}
NO_ARRAYS = LIGHT | {"numpy"}


LIGHT_COMMANDS: list[tuple[list[str], int, set[str]]] = [
    (["--help"], 0, NO_ARRAYS),
    *[([command, "--help"], 0, LIGHT if command == "fmt" else NO_ARRAYS) for command in COMMANDS],
    (["run", "--no-such-option"], 2, NO_ARRAYS),
    (["check", f"{ROOT}/nets/lecun89.sn"], 0, LIGHT),
    (["show", f"{ROOT}/nets/lecun89.sn"], 0, LIGHT),
    (["show", f"{ROOT}/nets/lecun89.sn", "--stage", "net"], 0, LIGHT),
    (["list"], 0, LIGHT),
    (["help", "mask"], 0, LIGHT),
]


# Runs commands one after another in one process; prints the exit code of each, and what it has loaded more than those
# before it.
RUN_COMMANDS = """
import contextlib, io, json, sys
from snsim.cli.main import main
before = set()
for arguments in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    loaded = {name.split(".")[0] for name in sys.modules}
    print(json.dumps([code, sorted(loaded - before), err.getvalue()]))
    before = loaded
"""


@pytest.mark.parametrize("kept_out", [NO_ARRAYS, LIGHT], ids=["no-arrays", "light"])
def test_start_is_light(kept_out: set[str]) -> None:
    """The questions that one asks all day load neither torch nor what only reports and data need.

    Commands with the same libraries to keep out share a process: none has loaded what all together have not.
    """
    commands = [(arguments, code) for arguments, code, without in LIGHT_COMMANDS if without == kept_out]
    assert len(commands) >= 6
    done = subprocess.run(
        [sys.executable, "-c", RUN_COMMANDS, json.dumps([arguments for arguments, _ in commands])],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == len(commands) and "click" in told[0][1]
    wrong = []
    for (arguments, code), (ended, loaded, error) in zip(commands, told, strict=True):
        if ended != code:
            wrong.append(f"snsim {' '.join(arguments)} ends with {ended}: {error}")
        if set(loaded) & kept_out:
            wrong.append(f"snsim {' '.join(arguments)} loads {', '.join(sorted(set(loaded) & kept_out))}")
    assert not wrong, "\n".join(wrong)


MACHINE = re.compile(r"""["'](/work|/tmp|/home|/root|/Users|\.\./shared)\b""")


def test_no_folder_of_a_machine_is_named() -> None:
    """Tests read data through tests/data_folder.py, and write into the folder that pytest gives them."""
    wrong = []
    for path in sorted([*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]):
        if (ROOT / "tests" / "compat") in path.parents:  # the files of an earlier version, with the paths they had
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            if MACHINE.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
            reads = re.search(r"""environ(\.get\(|\[)"SNSIM_DATA"\]?(?! *=)""", line)
            if reads and path.name != "data_folder.py" and PACKAGE not in path.parents:
                wrong.append(f"{path.relative_to(ROOT)}:{number}: use tests/data_folder.py: {line.strip()}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("setting", "outcome"), [("", pytest.skip.Exception), ("0", pytest.skip.Exception), ("1", pytest.fail.Exception)]
)
def test_a_test_without_its_data_is_skipped_or_fails(
    setting: str, outcome: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNSIM_NEED_DATA", setting)
    monkeypatch.setattr(data_folder, "DATA", None)
    with pytest.raises(outcome, match="SNSIM_DATA is not set"):
        data_folder.need_data()
    monkeypatch.setattr(data_folder, "DATA", tmp_path)
    (tmp_path / "a").touch()
    assert data_folder.need_data("a") == tmp_path
    with pytest.raises(outcome, match="has no b"):
        data_folder.need_data("a", "b")


def test_every_shelf_entry_says_what_it_is() -> None:
    from snsim.glossary.names import kinds

    seen = 0
    for kind in kinds():
        entries = kind.entries()
        assert entries, f"there is no {kind.name}"
        for entry in entries:
            seen += 1
            assert len(entry.doc) >= 8, f'{kind.name} "{entry.name}" has no line of help'
            assert "\n" not in entry.doc
            shorthand = re.search(r"[a-z] \(-?[0-9.]+\)(?![a-z^])", entry.doc)
            assert shorthand is None, f'the help of {kind.name} "{entry.name}" writes a default as "{shorthand}"'
    assert seen > 100


def test_help_shows_the_whole_docstring_of_a_word() -> None:
    from snsim.glossary.names import explain

    assert "So f = 0 returns the smallest and f = 1 the largest." in explain("quantile")
    assert "winner" in explain("learn-tmap") and "() for an empty list" in explain("lasta")
