"""Measure how long the language server takes from a change in an editor to the faults, on nets/lecun89.sn.

    python benchmarks/editor.py

The script sends every change as an editor does, and waits for the diagnostics. It prints milliseconds. Wall-clock time
depends on the other work of the machine; the processor time of the server does not.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "nets" / "lecun89.sn"
CHANGES = 40


def main() -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "snsim", "lsp"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    uri, text = FILE.as_uri(), FILE.read_text()
    line = next(n for n, row in enumerate(text.split("\n")) if "(step 2)" in row)
    column = text.split("\n")[line].index("(step 2)") + 1
    send(server, {"id": 1, "method": "initialize", "params": {"processId": None, "rootUri": None, "capabilities": {}}})
    until(server, lambda message: message.get("id") == 1)
    send(server, {"method": "initialized", "params": {}})
    send(
        server,
        {
            "method": "textDocument/didOpen",
            "params": {"textDocument": {"uri": uri, "languageId": "sn", "version": 1, "text": text}},
        },
    )
    until(server, told)
    walls, start = [], processor_seconds(server.pid)
    for number in range(CHANGES):
        was, now = ("step", "stepp") if number % 2 == 0 else ("stepp", "step")
        place = {"start": {"line": line, "character": column}, "end": {"line": line, "character": column + len(was)}}
        began = time.perf_counter()
        send(
            server,
            {
                "method": "textDocument/didChange",
                "params": {
                    "textDocument": {"uri": uri, "version": number + 2},
                    "contentChanges": [{"range": place, "text": now}],
                },
            },
        )
        found = until(server, told)["params"]["diagnostics"]
        walls.append(1000 * (time.perf_counter() - began))
        assert len(found) == (number + 1) % 2, found
    spent = 1000 * (processor_seconds(server.pid) - start) / CHANGES
    print(
        f"from a change to its faults: median {statistics.median(walls):.0f} ms, least {min(walls):.0f}, most "
        f"{max(walls):.0f}; processor {spent:.0f} ms per change, with background work; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    server.kill()


def told(message: dict) -> bool:
    return message.get("method") == "textDocument/publishDiagnostics"


def send(server: subprocess.Popen, message: dict) -> None:
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    server.stdin.flush()


def until(server: subprocess.Popen, wanted: object) -> dict:
    while True:
        length = 0
        while header := server.stdout.readline().strip():
            if header.lower().startswith(b"content-length:"):
                length = int(header.split(b":")[1])
        message = json.loads(server.stdout.read(length))
        if wanted(message):
            return message


def processor_seconds(process: int) -> float:
    """Return the user and system time of a process so far (Linux only: reads /proc)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
