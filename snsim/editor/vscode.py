"""Build an extension for VS Code: a TextMate grammar of all names that snsim knows, and a client of `snsim lsp`.

`snsim editor FOLDER` builds it. It is not kept in the repository, so a new name needs no change there.
"""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path

from snsim import __version__
from snsim.editor.coloured_names import CLAUSE, FUNCTION, SCHEME, SPECIAL, WORD, names_of
from snsim.errors import fail
from snsim.input_files import unwritable
from snsim.protected_files import write_output

_SCOPES = {
    WORD: "keyword.declaration.sn",
    SPECIAL: "keyword.control.sn",
    SCHEME: "entity.name.type.scheme.sn",
    CLAUSE: "entity.other.attribute-name.sn",
    FUNCTION: "support.function.sn",
}
_FIXED = ("extension.js", "language-configuration.json", "README.md")  # in snsim/editor/extension
_END = r"(?=[\s()\[\]{}\"'`,;~^]|$)"
_NUMBER = r"(?<![^\s()\[\]{}\"'`,;:~^])[+-]?(0[xX][0-9a-fA-F]+|([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)" + _END
_SYMBOL = r"[^\s()\[\]{}\"'`,;:~^|]+"


def write_extension(folder: Path, check: bool = False) -> list[Path]:
    """Write the files that are missing or differ, and return their paths; with `check` write nothing."""
    stale = []
    for name, text in files().items():
        path = folder / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path)
        if not check:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_output(path, text.encode())
            except OSError as error:
                sentence, remedy = unwritable(path, error)
                raise fail(sentence, hint=remedy) from None
    return stale


def files() -> dict[str, str]:
    """Return the texts of the extension by their names in its folder."""
    extension = resources.files("snsim.editor").joinpath("extension")
    return {
        "package.json": _json(_package()),
        "syntaxes/sn.tmLanguage.json": _json(grammar()),
        **{name: extension.joinpath(name).read_text(encoding="utf-8") for name in _FIXED},
    }


def grammar() -> dict[str, object]:
    """Return the TextMate grammar: comments, strings, numbers, and names at the head of a form by kind."""
    heads: list[dict[str, object]] = [
        {"match": rf"(?i)(?<=\()\s*({'|'.join(map(_spelled, names_of(kind)))}){_END}", "name": scope}
        for kind, scope in _SCOPES.items()
    ]
    return {
        "name": "SN",
        "scopeName": "source.sn",
        "fileTypes": ["sn", "lsh"],
        "patterns": [
            {"match": r";.*$", "name": "comment.line.semicolon.sn"},
            {"match": r"#\?.*$", "name": "comment.line.help.sn"},
            {"begin": r"#!", "end": r"!#", "name": "comment.block.sn"},
            {"begin": r"#\{", "end": r"#\}", "name": "comment.block.code.sn"},
            {
                "begin": '"',
                "end": '"',
                "name": "string.quoted.double.sn",
                "patterns": [{"match": r"\\.", "name": "constant.character.escape.sn"}],
            },
            {"match": r"\|[^|\n]*\|", "name": "variable.other.sn"},
            {"match": _NUMBER, "name": "constant.numeric.sn"},
            {"match": rf"'{_SYMBOL}", "name": "constant.other.symbol.sn"},
            {"match": r",@?|['`~^]", "name": "keyword.operator.sn"},
            *heads,
        ],
    }


def _spelled(name: str) -> str:
    """Return a name as a pattern: SN also reads `_` as a hyphen, except a leading one."""
    return re.escape(name).replace(r"\-", "[-_]") if not name.startswith("-") else re.escape(name)


def _package() -> dict[str, object]:
    return {
        "name": "sn",
        "displayName": "SN (snsim)",
        "version": __version__,
        "publisher": "snsim",
        "license": "MIT",
        "description": "Networks described in SN's Lisp: colours, faults as you type, help, completion, definitions.",
        "engines": {"vscode": "^1.75.0"},
        "categories": ["Programming Languages"],
        "main": "./extension.js",
        "activationEvents": ["onLanguage:sn"],
        "contributes": {
            "languages": [
                {
                    "id": "sn",
                    "aliases": ["SN"],
                    "extensions": [".sn", ".lsh"],
                    "configuration": "./language-configuration.json",
                }
            ],
            "grammars": [{"language": "sn", "scopeName": "source.sn", "path": "./syntaxes/sn.tmLanguage.json"}],
            "configuration": {
                "title": "SN",
                "properties": {
                    "sn.command": {
                        "type": "string",
                        "default": "snsim",
                        "description": "The snsim command; a path if it is not on the PATH.",
                    }
                },
            },
        },
        "dependencies": {"vscode-languageclient": "^9.0.1"},
    }


def _json(value: dict[str, object]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
