"""Speak to the language server as no editor should: unopened and closed texts, wild positions, wrong parameters.

python tests/lsp_fuzz.py 1 2000        seed 1, 2,000 messages
"""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

TEXT = '(net a (layer x 2) (layer y 3) (connect x y (full)))\n; é \U0001f600 "\n(include "b.sn")\n(train t (net a)'
TEXTS = (
    TEXT,
    "",
    "\r\r\n\n",
    "(" * 5000,
    "\ufeff(print 1)",
    "\ud83d\ude00" * 50,
    '"never closed',
    "(while t)",
    "\0",
    "x" * 100_000,
    "(net " + "é" * 300 + ")",
)
REQUESTS = ("hover", "completion", "definition", "formatting", "documentSymbol", "nonsense")
NUMBERS = (0, 1, 3, 10, 10**6, 2**31 - 1)


def messages(seed: int, count: int, folder: Path) -> list[dict[str, Any]]:
    """The messages of a session, after the greeting."""
    draw = random.Random(seed)
    (folder / "on-disk.sn").write_text(TEXT)
    (folder / "latin.sn").write_bytes(b"(print \xff)")
    uris = [
        (folder / name).as_uri()
        for name in ("a.sn", "b.sn", "on-disk.sn", "latin.sn", "nothing.sn", "x" * 300 + ".sn", "")
    ]
    uris += [
        "untitled:Untitled-1",
        "http://example.com/a.sn",
        "file:///a%00b.sn",
        "nonsense",
        "",
        "file://",
        "file:///%ff",
        "file:///dev",
        "vscode-notebook-cell:/x#1",
    ]

    def position() -> Any:
        if draw.random() < 0.03:
            return draw.choice((None, {}, [], "x", {"line": "x", "character": None}))
        if draw.random() < 0.05:
            return {"line": -1, "character": -5}
        return {"line": draw.choice(NUMBERS), "character": draw.choice(NUMBERS)}

    def one(number: int) -> dict[str, Any]:
        uri, kind = draw.choice(uris), draw.random()
        document: dict[str, Any] = {"uri": uri}
        if kind < 0.15:
            return {
                "method": "textDocument/didOpen",
                "params": {
                    "textDocument": {**document, "languageId": "sn", "version": number, "text": draw.choice(TEXTS)}
                },
            }
        if kind < 0.25:
            change: dict[str, Any] = {"text": draw.choice(TEXTS)}
            if draw.random() < 0.8:
                change["range"] = {"start": position(), "end": position()}
            return {
                "method": "textDocument/didChange",
                "params": {"textDocument": {**document, "version": number}, "contentChanges": [change]},
            }
        if kind < 0.35:
            return {"method": f"textDocument/did{draw.choice(('Close', 'Save'))}", "params": {"textDocument": document}}
        params: Any = {
            "textDocument": document,
            "position": position(),
            "options": {"tabSize": 2, "insertSpaces": True},
        }
        if draw.random() < 0.03:
            params = draw.choice((None, {}, [], {"textDocument": None}, {"textDocument": {"uri": 5}}))
        return {"id": number, "method": f"textDocument/{draw.choice(REQUESTS)}", "params": params}

    return [one(number) for number in range(2, count + 2)]


def converse(seed: int, count: int, folder: Path) -> tuple[int, str, list[dict[str, Any]]]:
    """Exit code, standard error and answers of a server that is sent these messages and then the end."""
    greeting = {"id": 1, "method": "initialize", "params": {"processId": None, "rootUri": None, "capabilities": {}}}
    sent = [
        greeting,
        {"method": "initialized", "params": {}},
        *messages(seed, count, folder),
        {"id": count + 2, "method": "shutdown", "params": None},
        {"method": "exit"},
    ]
    server = subprocess.Popen(
        [sys.executable, "-m", "snsim", "lsp"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
    )
    answers: list[dict[str, Any]] = []
    complaints: list[bytes] = []
    assert server.stdin is not None and server.stdout is not None and server.stderr is not None
    readers = [
        threading.Thread(target=_read, args=(server.stdout, answers)),
        threading.Thread(target=lambda: complaints.append(server.stderr.read())),
    ]  # type: ignore[union-attr]
    for reader in readers:
        reader.start()
    try:
        for message in sent:
            body = json.dumps({"jsonrpc": "2.0", **message}).encode()
            server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
            server.stdin.flush()
    except BrokenPipeError:
        pass
    with contextlib.suppress(BrokenPipeError):
        server.stdin.close()
    code = server.wait(120)
    for reader in readers:
        reader.join()
    for stream in (server.stdout, server.stderr):
        stream.close()
    return code, b"".join(complaints).decode(errors="replace"), answers


def _read(stream: Any, answers: list[dict[str, Any]]) -> None:
    length = 0
    while header := stream.readline():
        if header.lower().startswith(b"content-length:"):
            length = int(header.split(b":")[1])
        elif not header.strip():
            answers.append(json.loads(stream.read(length)))


def problems(seed: int, count: int, folder: Path) -> list[str]:
    """What is wrong with the answers of a server: tracebacks, errors of its own, requests that it does not answer."""
    code, told, answers = converse(seed, count, folder)
    wrong = [f"exit code {code}"] if code else []
    wrong += [f"it prints {told[-2000:]}"] if told else []
    wrong += [
        str(answer["error"])[:2000]
        for answer in answers
        if answer.get("error", {}).get("code", -32601) not in (-32601, -32602)
    ]  # unknown method, parameters
    replies = {answer.get("id") for answer in answers}
    wrong += [
        f"no answer to {message}"
        for message in messages(seed, count, folder)
        if message.get("id", 1) not in replies and _is_whole(message["params"])
    ]
    return wrong


def _is_whole(params: Any) -> bool:
    """Whether the parameters are of the kinds that the protocol asks for."""
    return (
        isinstance(params, dict)
        and isinstance(params.get("textDocument"), dict)
        and isinstance(params["textDocument"].get("uri"), str)
        and isinstance(params.get("position"), dict)
        and isinstance(params["position"].get("line"), int)
        and params["position"]["line"] >= 0
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        found = problems(int(sys.argv[1]), int(sys.argv[2]), Path(place))
    print("\n".join(found[:20]))
    print(f"{len(found)} problems in {sys.argv[2]} messages")
    sys.exit(1 if found else 0)
