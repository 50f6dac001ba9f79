"""The nets of the gallery for `snsim list net`: paper, weights, published figures, misses of the shipped weights."""

from __future__ import annotations

import io
from typing import Any

from snsim.errors import passes_text
from snsim.gallery import gallery_doc, gallery_folder, gallery_names, shipped_weights
from snsim.program import Program, read_program
from snsim.training.spec import Training


def gallery_entry(name: str) -> dict[str, Any]:
    """Return what is known of a gallery net, for `--json`: its comment, its trainings, its shipped weights."""
    program = read_program(gallery_folder() / f"{name}.sn", port=io.StringIO())
    weights = shipped_weights(name)
    return {
        "name": name,
        "doc": gallery_doc(name),
        "trainings": [_training(training, program) for training in program.own_trainings],
        "shipped": None
        if weights is None
        else {
            key: getattr(weights, key)
            for key in (
                "data",
                "passes",
                "seed",
                "train_misses",
                "train_patterns",
                "test_misses",
                "test_patterns",
                "command",
            )
        },
    }


def gallery_text(entry: dict[str, Any]) -> list[str]:
    """Return the lines on a gallery net: what its file says, a line for each training, its shipped weights."""
    lines = [entry["doc"]]
    for training in entry["trainings"]:
        published = ", ".join(f"{name} {value:g}" for name, value in training["published"].items())
        head = "" if training["name"] == entry["name"] else f"{training['name']}: "
        data = f" over {training['data'][0]}" if training["data"] else ""
        lines.append(
            f"{head}{training['weights']:,} weights; {passes_text(training['passes'])}{data}; "
            + (f"published: {published}" if published else "no published figures")
        )
    if entry["shipped"]:
        weights = shipped_weights(entry["name"])
        assert weights is not None
        lines.append(f"shipped weights, {weights.summary}")
    return lines


def gallery_entries() -> list[dict[str, Any]]:
    """Return what is known of all gallery nets."""
    return [gallery_entry(name) for name in gallery_names()]


def _training(training: Training, program: Program) -> dict[str, Any]:
    return {
        "name": training.name,
        "net": training.net.name,
        "weights": training.net.counts.weights,
        "connections": training.net.counts.connections,
        "passes": training.passes,
        "data": list(training.data.names),
        "published": dict(training.published),
    }
