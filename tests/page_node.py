"""Run the engine of a page in Node: a training described in a folder, and calls of `Training`."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from snsim.page.training_description import PageTraining

HERE = Path(__file__).parent
ENGINE = HERE.parent / "snsim" / "page" / "engine"
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="Node is not installed")


def write_description(described: PageTraining, folder: Path) -> None:
    files = {name: f"{number}.bin" for number, name in enumerate(described.blobs)}
    for name, file in files.items():
        (folder / file).write_bytes(described.blobs[name])
    text = json.dumps({"values": described.values, "blobs": files}, allow_nan=False)
    (folder / "description.json").write_text(text)


def call_training(folder: Path, *calls: tuple[Any, ...]) -> list[Any]:
    """What the calls return, one after another on one training."""
    return run_node(HERE / "page_training.mjs", str(ENGINE), str(folder), *(json.dumps(call) for call in calls))


def run_node(script: Path, *arguments: str) -> list[Any]:
    assert NODE is not None
    done = subprocess.run([NODE, str(script), *arguments], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
