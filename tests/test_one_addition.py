"""One addition, one place: a thing that is put on its shelf is known to the reader, the commands and the editor.

Each test adds to the shelf alone, as the README says, and the shelf has its old entries when the test is over.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from tiny_run import snsim

from snsim.editor.coloured_names import heads
from snsim.editor.definitions import definitions
from snsim.editor.hover_and_completion import Cursor, explanation, proposals
from snsim.editor.vscode import grammar
from snsim.errors import Source
from snsim.registry import Shelf
from snsim.training.initial import INITIALISERS, WeightsToDraw, distribution

INITIAL = """
(net n (layer input 2) (layer h 3) (layer output 1) (connect input h (full)) (connect h output (full)))
(train n (data (examples [[0 1] [1 0]] [[1] [-1]])) (epsilon 0) (passes 1)
  (by-fans 2 h) (by-lines output))
(train m (like n) (passes 2))
"""


@contextmanager
def taken_away_again(shelf: Shelf[Any]) -> Iterator[None]:
    """Take away at the end of the block whatever was put on the shelf inside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shelf, "_entries", dict(shelf._entries))
        heads.cache_clear()
        yield
    heads.cache_clear()


def proposed(text: str) -> list[str]:
    """What an editor proposes at the end of a text."""
    source = Source("t.sn", text)
    return [proposal.name for proposal in proposals(Cursor(source, len(text)), list(definitions(source)))]


def hover(text: str, name: str) -> str:
    source = Source("t.sn", text)
    return explanation(Cursor(source, text.index(name) + 1), list(definitions(source))) or ""


def add_distributions() -> None:
    @INITIALISERS.register("by-fans")
    @distribution("(by-fans V SCOPE ...)")
    def by_fans(weights: WeightsToDraw) -> np.ndarray:
        """V times fan-in, plus fan-out

        With a second paragraph.
        """
        return np.full(weights.shape, weights.value * weights.fan_in + weights.fan_out)

    @INITIALISERS.register("by-lines")
    @distribution("(by-lines SCOPE ...)")
    def by_lines(weights: WeightsToDraw) -> np.ndarray:
        """-1/F, and what is drawn is 0 times that"""
        return -1 / weights.lines + 0 * weights.generator.random(weights.shape)


def test_an_initial_distribution_is_added_in_one_place(tmp_path: Path) -> None:
    file = tmp_path / "n.sn"
    file.write_text(INITIAL)
    with taken_away_again(INITIALISERS):
        add_distributions()
        check_distributions(file)
    file.write_text(INITIAL)
    for name in ("by-fans", "by-lines"):
        assert f'train has no clause "{name}"' in snsim("check", file)[2]
        assert snsim("help", name)[0] == 1 and name not in snsim("list")[1] and name not in heads()


def check_distributions(file: Path) -> None:
    code, _out, err = snsim("run", file, "--only", "n", "--quiet", "--out", file.parent)
    assert code == 0, err
    weights = load_file(file.parent / "n" / "weights.safetensors")
    assert {name: np.unique(values).tolist() for name, values in weights.items()} == {
        "input-h.weight": [2 * 2 + 3],
        "h.bias": [2 * 1 + 1],
        "h-output.weight": [-0.25],
        "output.bias": [-0.25],
    }

    shown = snsim("show", file, "--stage", "net")[1]
    assert "(by-fans 2 h)  " in shown and "(by-lines output)  " in shown and "; from n" in shown
    clauses = [line.split()[0] for line in snsim("list", "clause")[1].splitlines()[1:]]
    first = clauses.index(INITIALISERS.names()[0])
    assert clauses[first : first + len(INITIALISERS.names())] == INITIALISERS.names()
    assert {"by-fans", "by-lines"} <= set(clauses)
    told = snsim("help", "by-fans")[1]
    assert all(
        part in told
        for part in (
            "by-fans: clause of train",
            "(by-fans V SCOPE ...)\n    SCOPE: biases, a layer",
            "V times fan-in, plus fan-out",
            "With a second paragraph.",
        )
    )

    begun = INITIAL[: INITIAL.index("(by-fans")]
    assert proposed(begun + "(by-f") == ["by-fans"] and proposed(begun + "(by-lines outp") == ["output"]
    assert "(by-lines SCOPE ...)" in hover(INITIAL, "by-lines")
    assert heads()["by-fans"] == "clause" and r"|by[-_]fans|" in str(grammar())

    file.write_text(INITIAL.replace("(by-lines output)", "(by-lines 1)").replace("(by-fans 2 h)", "(by-fans)"))
    said = snsim("check", file)[2]
    assert "(by-lines ...) takes no number" in said and "hint: write (by-lines), or (by-lines SCOPE ...)" in said
    assert "hint: write (by-fans V SCOPE ...)" in said
