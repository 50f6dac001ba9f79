"""Write the extension for VS Code: a TextMate grammar from the shelves, and the start of the language server."""

from __future__ import annotations

import json
import re
from pathlib import Path

from snsim import __version__
from snsim.editor.coloured_names import CLAUSE, FUNCTION, SCHEME, SPECIAL, WORD, names_of
from snsim.errors import fail
from snsim.input_files import unwritable
from snsim.own_files import write_output

_SCOPES = {
    WORD: "keyword.declaration.sn",
    SPECIAL: "keyword.control.sn",
    SCHEME: "entity.name.type.scheme.sn",
    CLAUSE: "entity.other.attribute-name.sn",
    FUNCTION: "support.function.sn",
}
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
    """Return the texts of the extension by file name."""
    return {
        "package.json": _json(_package()),
        "language-configuration.json": _json(_configuration()),
        "syntaxes/sn.tmLanguage.json": _json(grammar()),
        "extension.js": _STARTER,
        "README.md": _README,
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
        "fileTypes": ["sn"],
        "patterns": [
            {"match": r";.*$", "name": "comment.line.semicolon.sn"},
            {"match": r"#\?.*$", "name": "comment.line.help.sn"},
            {"begin": r"#!", "end": r"!#", "name": "comment.block.sn"},
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
                {"id": "sn", "aliases": ["SN"], "extensions": [".sn"], "configuration": "./language-configuration.json"}
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


def _configuration() -> dict[str, object]:
    return {
        "comments": {"lineComment": ";"},
        "brackets": [["(", ")"], ["[", "]"]],
        "autoClosingPairs": [
            {"open": "(", "close": ")"},
            {"open": "[", "close": "]"},
            {"open": '"', "close": '"', "notIn": ["string", "comment"]},
        ],
        "surroundingPairs": [["(", ")"], ["[", "]"], ['"', '"']],
        "wordPattern": r"[^\s()\[\]{}\"'`,;:~^|]+",
    }


def _json(value: dict[str, object]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


_STARTER = """\
// Starts `snsim lsp` for .sn files. Without vscode-languageclient (npm install) there are colours only.
let client;

exports.activate = function () {
  let library;
  try {
    library = require("vscode-languageclient/node");
  } catch (missing) {
    return;
  }
  const command = require("vscode").workspace.getConfiguration("sn").get("command");
  client = new library.LanguageClient("sn", "SN", { command, args: ["lsp"] },
    { documentSelector: [{ scheme: "file", language: "sn" }] });
  client.start();
};

exports.deactivate = function () {
  return client && client.stop();
};
"""

_README = """\
# SN for VS Code

Colours for `.sn` files; with `snsim lsp` also faults as you type, help under the pointer, completion, jumps to
definitions and formatting.

    pip install "snsim[lsp]"
    npm install                                # in this folder: the client of the language server
        ln -s "$PWD" ~/.vscode/extensions/sn       # then restart VS Code

`snsim editor` writes all files here from the names that snsim knows. Other editors can use the TextMate grammar
`syntaxes/sn.tmLanguage.json` too.
"""
