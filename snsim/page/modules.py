"""Join ES modules of the page into one script: a page that is opened from the disk cannot import files."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath

_IMPORT = re.compile(r'^import (?:\{[^}]*\} from )?"(\.{1,2}/[\w./-]+\.js)";\n', re.M)
_EXPORT = re.compile(r"^export (?=(?:async function|function|class|const|let)\b)", re.M)
_FORBIDDEN = re.compile(r"^export |^import |</script|<!--| as \w+ *[,}].*\bfrom\b", re.M | re.I)


@cache
def join_modules(entry: str) -> str:
    """Return the module `entry` ("app/main.js") and all that it imports as one script, each module once.

    A module imports by `import { a, b } from "./file.js";` and exports what it declares. All names share one scope. A
    test has Node check each module and each joined script, so two equal names are found.
    """
    parts: dict[str, str] = {}
    _add(entry, parts)
    return "".join(f"// ---- {name}\n{text}\n" for name, text in parts.items())


def module_texts() -> dict[str, str]:
    """Return the text of every module of the page by name, such as "app/main.js"."""
    root = files("snsim.page")
    return {
        f"{folder.name}/{file.name}": file.read_text("utf-8")
        for folder in map(root.joinpath, ("app", "engine"))
        for file in sorted(folder.iterdir(), key=lambda each: each.name)
        if file.name.endswith(".js")
    }


def _add(name: str, parts: dict[str, str], open_names: tuple[str, ...] = ()) -> None:
    if name in parts:
        return
    assert name not in open_names, f"the modules {' -> '.join([*open_names, name])} import each other"
    text = files("snsim.page").joinpath(*name.split("/")).read_text("utf-8")
    for imported in _IMPORT.findall(text):
        _add(_resolved(name, imported), parts, (*open_names, name))
    script = _EXPORT.sub("", _IMPORT.sub("", text))
    wrong = _FORBIDDEN.search(script)
    assert wrong is None, f"{name} has {wrong and wrong[0]!r}, which cannot be joined"
    parts[name] = script


def _resolved(name: str, imported: str) -> str:
    parts: list[str] = list(PurePosixPath(name).parent.parts)
    for part in imported.split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
