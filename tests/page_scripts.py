"""Run the page's modules in Node, without a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).resolve().parents[1] / "snsim" / "page"
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="Node is not installed")


def run_node(script: str, value: Any = None) -> Any:
    """What a module prints as JSON; `input` is the value. It imports from the page by `${PAGE}/...`."""
    assert NODE is not None
    text = 'import { readFileSync } from "node:fs";\nconst input = JSON.parse(readFileSync(0, "utf8"));\n'
    text += script.replace("${PAGE}", PAGE.as_uri())
    done = subprocess.run(
        [NODE, "--input-type=module", "-e", text], input=json.dumps(value), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check_syntax(path: Path) -> None:
    assert NODE is not None
    done = subprocess.run([NODE, "--check", path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
