"""What editors are told: a language server's exchange, the files of the extension, colours, cells of a notebook."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lsp_fuzz import problems

from snsim.editor.coloured_names import heads
from snsim.editor.cursor import indentation, open_heads, word_before
from snsim.editor.lexer import SnLexer
from snsim.editor.vscode import grammar, write_extension

ROOT = Path(__file__).resolve().parents[1]
NET = ROOT / "nets" / "lecun89.sn"


class Editor:
    """Speaks with a server process as an editor does; `told` are its notifications by method."""

    def __init__(self) -> None:
        self.server = subprocess.Popen(
            [sys.executable, "-m", "snsim", "lsp"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.number = 0

    def send(self, **message: Any) -> None:
        assert self.server.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.server.stdin.flush()

    def read(self) -> dict[str, Any]:
        assert self.server.stdout is not None
        length = 0
        while header := self.server.stdout.readline().strip():
            if header.lower().startswith(b"content-length:"):
                length = int(header.split(b":")[1])
        return json.loads(self.server.stdout.read(length))

    def ask(self, method: str, params: Any) -> Any:
        self.number += 1
        self.send(id=self.number, method=method, params=params)
        while (message := self.read()).get("id") != self.number:
            pass
        assert "error" not in message, message
        return message["result"]

    def faults(self) -> list[dict[str, Any]]:
        while (message := self.read()).get("method") != "textDocument/publishDiagnostics":
            pass
        return message["params"]["diagnostics"]


@pytest.fixture
def editor() -> Iterator[Editor]:
    made = Editor()
    yield made
    made.server.kill()
    made.server.communicate()


def position(text: str, part: str, behind: int = 1) -> dict[str, int]:
    """The place so many characters behind the beginning of a part of the text, as the protocol counts it."""
    offset = text.index(part) + behind
    return {"line": text.count("\n", 0, offset), "character": offset - text.rfind("\n", 0, offset) - 1}


def test_an_exchange_with_the_language_server(editor: Editor, tmp_path: Path) -> None:
    """The messages of a session in an editor, from its start to its end."""
    able = editor.ask("initialize", {"processId": None, "rootUri": ROOT.as_uri(), "capabilities": {}})["capabilities"]
    assert {"hoverProvider", "completionProvider", "definitionProvider", "documentFormattingProvider"} <= set(able)
    editor.send(method="initialized", params={})
    text, uri = NET.read_text(), NET.as_uri()
    editor.send(
        method="textDocument/didOpen",
        params={"textDocument": {"uri": uri, "languageId": "sn", "version": 1, "text": text}},
    )
    assert editor.faults() == []

    def change(version: int, part: str, instead: str) -> list[dict[str, Any]]:
        nonlocal text
        start, end = position(text, part, 0), position(text, part, len(part))
        text = text.replace(part, instead, 1)
        editor.send(
            method="textDocument/didChange",
            params={
                "textDocument": {"uri": uri, "version": version},
                "contentChanges": [{"range": {"start": start, "end": end}, "text": instead}],
            },
        )
        return editor.faults()

    found = change(2, "(step 2)", "(stepp 2)")  # two faults at once, each in its place
    assert [fault["message"].split("\n")[0] for fault in found] == ['(mask ...) has no option "stepp"']
    assert found[0]["range"]["start"] == position(text, "(stepp", 1) and 'did you mean "step"' in found[0]["message"]
    found = change(3, "(cost       lms)", "(cost       lsm)")
    assert {fault["range"]["start"]["line"] for fault in found} == {
        position(text, part)["line"] for part in ("(stepp", "lsm")
    }
    change(4, "lsm", "lms")
    assert change(5, "stepp", "step") == []
    assert "never closed" in change(6, "(passes     23)", "(passes     23")[0]["message"]
    assert change(7, "(passes     23", "(passes     23)") == []

    here = {"textDocument": {"uri": uri}}
    told = editor.ask("textDocument/hover", {**here, "position": position(text, "(mask 5 5)", 3)})
    assert "(mask R C)" in told["contents"]["value"]
    told = editor.ask("textDocument/hover", {**here, "position": position(text, "h1 h2 ", 1)})
    assert told["contents"]["value"] == "layer h1 of net lecun89, lecun89.sn:27\n(layer h1 (12 8 8))"
    assert editor.ask("textDocument/hover", {**here, "position": {"line": 0, "character": 8}}) is None
    names = {
        item["label"]
        for item in editor.ask("textDocument/completion", {**here, "position": position(text, "(border 2 -1)", 1)})
    }
    assert {"mask", "local", "step", "border", "table"} <= names and not names & {"passes", "car"}
    names = {
        item["label"]
        for item in editor.ask(
            "textDocument/completion", {**here, "position": position(text, "(table three-blocks))", 7)}
        )
    }
    assert names == {"full", "one-to-one", "three-blocks"}
    found = editor.ask("textDocument/definition", {**here, "position": position(text, "(table three-blocks))", 9)})
    assert found["uri"] == uri and found["range"]["start"] == position(text, "(table three-blocks ", 7)
    found = editor.ask("textDocument/definition", {**here, "position": position(text, "(connect h2 h3", 12)})
    assert found["range"]["start"] == position(text, "(layer h3 ", 7)
    change(8, "(layer h3 ", "(layer   h3 ")
    edits = editor.ask("textDocument/formatting", {**here, "options": {"tabSize": 2, "insertSpaces": True}})
    assert [edit["newText"] for edit in edits] == [NET.read_text()]

    other = ROOT / "nets" / "net-5.sn"
    text = other.read_text()
    editor.send(
        method="textDocument/didOpen",
        params={"textDocument": {"uri": other.as_uri(), "languageId": "sn", "version": 1, "text": text}},
    )
    assert editor.faults() == []
    here = {"textDocument": {"uri": other.as_uri()}}
    found = editor.ask("textDocument/definition", {**here, "position": position(text, '"net-1.sn"', 3)})
    assert found["uri"] == (ROOT / "nets" / "net-1.sn").as_uri()
    found = editor.ask("textDocument/definition", {**here, "position": position(text, "(like net-1)", 8)})
    assert found["uri"] == (ROOT / "nets" / "net-1.sn").as_uri() and found["range"]["start"]["line"] > 0
    editor.ask("shutdown", None)
    editor.send(method="exit")
    assert editor.server.wait(20) == 0


def test_the_extension_is_built(tmp_path: Path) -> None:
    """All files that its manifest names are there, and a second build changes nothing."""
    assert write_extension(tmp_path, check=True) and not list(tmp_path.iterdir())
    write_extension(tmp_path)
    assert write_extension(tmp_path) == []
    manifest = json.loads((tmp_path / "package.json").read_text())
    offers = manifest["contributes"]
    named = [manifest["main"], offers["grammars"][0]["path"], offers["languages"][0]["configuration"]]
    for name in named:
        assert (tmp_path / name).is_file(), name
    assert json.loads((tmp_path / named[1]).read_text()) == grammar()
    assert json.loads((tmp_path / named[2]).read_text())["comments"] == {"lineComment": ";"}
    assert (tmp_path / "extension.js").read_text().count('args: ["lsp"]') == 1
    (tmp_path / "README.md").write_text("old")
    assert write_extension(tmp_path, check=True) == [tmp_path / "README.md"]


def test_the_grammar_knows_every_name() -> None:
    """Each name at the head of a form is coloured, by its first kind."""
    patterns = [
        (re.compile(rule["match"]), rule["name"])
        for rule in grammar()["patterns"]  # type: ignore[index,union-attr]
        if "match" in rule and "(?<=" in rule["match"]
    ]
    for name in heads():
        assert any(m and m.group(1) == name for m in (p.search(f"({name} x)") for p, _ in patterns)), name
    assert not any(pattern.search("(no-such-word x)") for pattern, _ in patterns)


def test_colours() -> None:
    from pygments.lexers import get_lexer_by_name

    text = '(net n ; a net\n  (layer h1 (12 8 8)) (connect a b (mask 5 5)) "text" \'q ,(car x)) [1 2] :g:s #? old\n'
    found = {value: str(kind) for kind, value in SnLexer().get_tokens(text)}
    assert {found[word] for word in ("net", "layer", "mask", "car")} == {
        "Token.Keyword.Declaration",
        "Token.Name.Attribute",
        "Token.Name.Decorator",
        "Token.Name.Builtin",
    }
    assert found["; a net"] == "Token.Comment.Single" and found['"text"'] == "Token.Literal.String"
    assert "Token.Error" not in found.values() and isinstance(get_lexer_by_name("sn"), SnLexer)
    for path in sorted((ROOT / "nets").glob("*.sn")):
        tokens = list(SnLexer(stripnl=False, ensurenl=False).get_tokens(path.read_text()))
        assert "".join(value for _, value in tokens) == path.read_text()


@pytest.mark.parametrize(
    ("text", "names", "word", "column"),
    [
        ("(net n\n  (layer h", ["net", "layer"], "h", 9),
        ('(print "(" ; (\n ', ["print"], "", 7),
        ("(de f (x)", ["de"], "", 2),
        ("", [], "", 0),
        ("(setq m [[1 2] [3", ["setq"], "3", 16),
    ],
)
def test_what_is_open_while_one_types(text: str, names: list[str], word: str, column: int) -> None:
    found = [head for head in open_heads(text) if not head[0].isdigit()]
    assert (found, word_before(text), indentation(text)) == (names, word, column)


def test_cells_of_a_notebook() -> None:
    code = """
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "snsim.notebook")
net = "(net n (layer input (4 4)) (layer output 2) (connect input output (full)) (expect (weights 34)))"
with capture_output() as cell:
    shell.run_cell_magic("sn", "", net)
    shell.run_line_magic("sn", "(+ 1 2)")
    shell.run_line_magic("sn", "(print 5)")
    shell.run_line_magic("sn", "(net m (like n) (layer outputt (nlf relu)))")
kinds = [sorted(output.data) for output in cell.outputs]
print(kinds, cell.stdout.split(), "did you mean \\"output\\"" in cell.stderr, "34" in cell.outputs[0].data["text/html"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    last = done.stdout.strip().split("\n")[-1]
    assert "text/html" in last and "image/svg+xml" in last and "['3', '5']" in last
    assert last.endswith("True True"), last


def test_a_notebook_shows_the_page_in_which_a_training_learns() -> None:
    code = """
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "snsim.notebook")
net = "(net n (layer input 2) (layer output 1) (connect input output (full)))"
training = "(train n (data (examples [[0 1] [1 0]] [[1] [-1]])) (correct quadrant) (epsilon 0.5) (passes 9))"
def pages(kind, name, *lines):
    with capture_output() as cell:
        (shell.run_cell_magic if kind == "cell" else shell.run_line_magic)(name, *lines)
    found = [output.data["text/html"] for output in cell.outputs if "text/html" in output.data]
    return [text for text in found if text.startswith("<iframe")], cell.stderr
shell.run_cell_magic("sn", "", net)
(first,), _ = pages("cell", "sn", "", training)
assert 'sandbox="allow-scripts allow-downloads"' in first and "Ready with initial weights, seed 1." in first
assert pages("cell", "sn", "--no-page", training.replace("0.5", "0.4")) == ([], "")
assert pages("cell", "sn", "", "(train m (like n) (update conjugate-gradient))") == ([], "")
shell.run_line_magic("sn", "(train-now 'n 2)")
(now,), _ = pages("line", "sn_page", "")
assert "the weights of this notebook after pass 2" in now
assert "trainings declared: n, m" in pages("line", "sn_page", "o")[1]
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("seed", [1, 2])
def test_no_message_upsets_the_language_server(seed: int, tmp_path: Path) -> None:
    """Texts that are not open, places outside of them, parameters of other kinds; tests/lsp_fuzz.py sends more."""
    assert problems(seed, 400, tmp_path) == []


def test_a_text_that_is_not_open_is_read_from_the_disk(editor: Editor, tmp_path: Path) -> None:
    editor.ask("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
    (tmp_path / "a.sn").write_text("(net   a (layer x 1))\n")
    options = {"tabSize": 2, "insertSpaces": True}
    for name, count in (("a.sn", 1), ("nothing.sn", 0)):
        here = {"textDocument": {"uri": (tmp_path / name).as_uri()}}
        assert len(editor.ask("textDocument/formatting", {**here, "options": options})) == count
    far = {"textDocument": {"uri": (tmp_path / "a.sn").as_uri()}, "position": {"line": 99, "character": 99}}
    assert editor.ask("textDocument/hover", far) is None
