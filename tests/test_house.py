"""The house rules as tests: who may import whom, what a start costs, that everything on a shelf says what it is."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "snsim"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Rooms, low to high. A module imports from its own room and from those its row names, never upward.
LAW: dict[str, set[str]] = {
    "errors": set(),
    "registry": {"errors"},
    "cache_folder": {"errors"},
    "colour": {"errors"},
    "text_table": set(),
    "language": {"errors", "registry"},
    "formatter": {"errors", "language"},
    "data": {"errors", "registry", "cache_folder"},
    "network": {"errors", "registry", "language"},
    "engines": {"errors", "registry", "cache_folder", "network"},
    "training": {"errors", "registry", "language", "data", "network", "engines"},
    "sn28": {"errors", "registry", "language", "data", "network", "engines"},
    "program": {"errors", "registry", "language", "network", "training", "sn28"},
    "api": {"errors", "network", "engines", "training", "program"},
    "run_folder": {"errors", "training"},
    "runs": {"errors", "data", "network", "engines", "training", "program", "run_folder"},
    "convert": {"errors", "registry", "language", "network", "sn28", "program"},
    "reports": {"errors", "registry", "text_table", "language", "network", "training", "program", "run_folder"},
    "glossary": {
        "errors", "registry", "colour", "text_table", "data", "network", "engines", "training", "program",
        "reports",
    },
    "comparison": {"errors", "registry", "text_table", "network", "engines", "training", "program", "runs", "reports"},
    "studies": {"errors", "registry", "language", "data", "training", "program", "run_folder", "runs"},
    "console": {"errors", "colour", "training", "runs", "reports"},
    "editor": {"errors", "language", "formatter", "network", "program", "glossary"},
    "prompt": {
        "errors", "registry", "cache_folder", "colour", "language", "data", "network", "training", "sn28",
        "program", "run_folder", "runs", "reports", "glossary", "editor", "cli",
    },  # upward, to be cut: cli
    "cli": {
        "errors", "registry", "colour", "text_table", "language", "formatter", "data", "network", "engines",
        "training", "program", "run_folder", "runs", "convert", "reports", "glossary", "comparison", "studies",
        "console", "editor", "prompt",
    },
    "__init__": set(),
    "__main__": {"cli"},
}

# What only the named modules may import, wherever in the module the import stands.
KEPT_FOR = {
    "torch": {"engines/torch", "api.py", "comparison"},
    "llvmlite": {"engines/native"},
    "lark": {"language/reader.py"},
    "click": {"cli", "console", "colour.py"},
    "rich": {"reports", "console", "cli"},
    "pooch": {"data"},
    "sklearn": {"data"},
    "matplotlib": {"reports", "sn28/graphics/live_windows.py"},
    "distributed": {"studies/executors.py"},
    "tensorboard": {"console/tensorboard_view.py"},
    "prompt_toolkit": {"prompt/terminal.py"},
    "pygments": {"editor/lexer.py"},
    "pygls": {"editor/server.py"},
    "lsprotocol": {"editor/server.py"},
    "IPython": {"prompt/notebook.py"},
}

# What must be imported inside the function that needs it, never when a module starts.
LAZY: dict[str, set[str]] = {
    "torch": {"engines/torch", "comparison/match_parameters.py", "comparison/torch_side.py",
              "comparison/torch_hooks.py"},
    "rich": set(), "pooch": set(), "sklearn": set(), "matplotlib": set(), "distributed": set(), "tensorboard": set(),
    "prompt_toolkit": {"prompt/terminal.py"}, "pygments": {"editor/lexer.py"}, "pygls": {"editor/server.py"},
    "lsprotocol": {"editor/server.py"}, "IPython": set(),
}

FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}


def room(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(module: Path, top_only: bool = False) -> list[tuple[str, int]]:
    """Full names of what a module imports, with the line; relative imports are resolved."""
    tree = ast.parse(module.read_text())
    typing_only = {
        id(inner) for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING") for inner in ast.walk(node)
    }
    inside = {id(inner) for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
              for inner in ast.walk(node)}
    found = []
    for node in ast.walk(tree):
        if top_only and (id(node) in inside or id(node) in typing_only):
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: a relative import"
            found += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
    return found


def allowed(module: Path, places: set[str]) -> bool:
    name = module.relative_to(PACKAGE).as_posix()
    return any(name == place or name.startswith(place + "/") for place in places)


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.relative_to(PACKAGE).as_posix())
def test_import_law(module: Path) -> None:
    assert room(module) in LAW, f"{room(module)} is a new room: give it a row in the law"
    rooms = {room(other) for other in MODULES}
    for name, line in imports(module):
        parts = name.split(".")
        if parts[0] == "snsim" and len(parts) > 1 and parts[1] in rooms - {room(module)}:
            assert parts[1] in LAW[room(module)], f"{module}:{line}: {room(module)} may not import {name}"
        elif parts[0] in KEPT_FOR:
            assert allowed(module, KEPT_FOR[parts[0]]), f"{module}:{line}: {parts[0]} is for {KEPT_FOR[parts[0]]}"
    for name, line in imports(module, top_only=True):
        if name.split(".")[0] in LAZY:
            assert allowed(module, LAZY[name.split(".")[0]]), f"{module}:{line}: import {name} where it is used"


def test_reports_read_no_engine() -> None:
    for module in (PACKAGE / "reports").rglob("*.py"):
        for name, line in imports(module):
            assert not name.startswith("snsim.engines"), f"{module}:{line}"


def test_no_import_cycle() -> None:
    """Imports at the start of modules form no circle, so any module can be imported first."""
    by_name = {".".join(m.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): m for m in MODULES}
    graph = {}
    for name, module in by_name.items():
        targets = set()
        for imported, _ in imports(module, top_only=True):
            target = imported if imported in by_name else imported.rpartition(".")[0]
            if target in by_name and target != name:
                targets.add(target)
        graph[name] = targets
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, "import cycle: " + " > ".join([*path[path.index(name):], name])
        if name not in done:
            for target in graph[name]:
                visit(target, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.relative_to(PACKAGE).as_posix())
def test_one_subject_a_file(module: Path) -> None:
    lines = module.read_text().count("\n")
    assert lines <= 400, f"{module} has {lines} lines: look for the two subjects in it"
    assert module.stem not in FORBIDDEN_NAMES and module.parent.name not in FORBIDDEN_NAMES
    text = module.read_text()
    assert not text.strip() or ast.get_docstring(ast.parse(text)), f"{module} does not say what it is"


@pytest.mark.parametrize("arguments", [["--help"], ["check", "nets/lecun89.sn"], ["show", "nets/lecun89.sn"],
                                       ["show", "nets/lecun89.sn", "--stage", "net"], ["list"],
                                       ["help", "mask"]], ids=" ".join)
def test_start_is_light(arguments: list[str]) -> None:
    """The questions one asks all day load neither torch nor what only reports and data need."""
    code = (
        "import sys; from snsim.cli.main import main; code = main(sys.argv[1:]); "
        "print(*sorted({m.split('.')[0] for m in sys.modules}), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stderr.strip().split("\n")[-1].split())
    assert not loaded & {"torch", "rich", "pooch", "sklearn", "scipy", "matplotlib", "safetensors", "requests",
                         "prompt_toolkit", "pygments", "pygls"}
    if arguments == ["--help"]:
        assert not loaded & {"numpy", "lark"}


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
    assert seen > 100
