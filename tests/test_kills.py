"""A run that is killed, at any write or any moment, is resumed and ends with the same bits as one that was not."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snsim.run_folder import open_run

NET = """
(net pictures (layer input (6 6)) (layer h (2 4 4) (bias map)) (layer output 3)
  (connect input h (mask 3 3)) (connect h output (full)))
"""
DATA = '(data (patterns "x.pat" "x.des")) (correct sgn -0.5 0.5)'
KINDS = {
    "sgd": "(update sgd (alpha 0.6) (decay 0.01)) (epsi-sqrt (linear 0.1 0.01)) (order shuffled) (passes 3)",
    "lm": "(update lm (mu 0.5) (alpha 0.2)) (epsi-sqrt 0.1) (order random) (passes 3)",
    "held": "(update lm (mu 0.5) (curvature 20)) (epsi-sqrt 0.1) (order shuffled once) (passes 3)",
    "conjugate": "(update conjugate-gradient (mu 0.1)) (passes 3)",
    "pruned": "(epsi-sqrt 0.1) (stage (passes 1) (update sgd)) (stage (prune 0.2 weights) (passes 1))"
    "(stage (prune 0.2 connections) (update lm (mu 0.5) (curvature 20)) (passes 1))",
    "adamw": "(update adamw) (epsilon 0.01) (batch 7 mean) (order shuffled) (dropout 0.25 h) (augment (shift 1 0))"
    "(input-noise 0.1) (passes 3)",
}
MANY = 300  # passes of the runs that are killed at a random moment
DRAFTS = (".new-*", ".snsim-new-*")


class Killed:
    """A process that does runs and kills them, and the runs it was never asked to kill."""

    def __init__(self, folder: Path) -> None:
        draw = np.random.default_rng(0)
        for name, matrix in (
            ("x.pat", draw.normal(size=(60, 36))),
            ("x.des", 2 * np.eye(3)[draw.integers(0, 3, 60)] - 1),
        ):
            numbers = " ".join(f"{value:.6f}" for value in matrix.ravel())
            (folder / name).write_text(f".MAT 2 {matrix.shape[0]} {matrix.shape[1]}\n{numbers}\n")
        for kind, clauses in KINDS.items():
            (folder / f"{kind}.sn").write_text(f"{NET}(train {kind} (net pictures) {DATA} {clauses})\n")
        self._folder = folder
        self._whole: dict[tuple[str, int | None], tuple[Path, int]] = {}
        places = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parent.parent)])
        warm = json.dumps({"program": str(folder / "sgd.sn"), "out": str(folder / "warm"), "save_every": 1.0})
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "killed_runs.py"), warm],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": places},
        )

    def do(self, kind: str, out: Path, **task: Any) -> dict[str, Any]:
        """Do one run; how it ended."""
        assert self._process.stdin is not None and self._process.stdout is not None
        task = {"program": str(self._folder / f"{kind}.sn"), "out": str(out), "save_every": 0.0, **task}
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        ended: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert ended["killed"] or ended["code"] == 0, f"{task}: {ended}"
        return ended

    def whole(self, kind: str, passes: int | None = None) -> tuple[Path, int]:
        """The folder of a run that was not killed, and the calls that it made."""
        if (kind, passes) not in self._whole:
            out = self._folder / f"whole-{passes}"
            self.do(kind, out, passes=passes, save_every=1.0)  # compiled code is in the cache now: no more such writes
            calls = 0 if passes else self.do(kind, self._folder / "counted")["calls"]
            self._whole[kind, passes] = out / kind, calls
        return self._whole[kind, passes]

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killed]:
    made = Killed(tmp_path_factory.mktemp("killed"))
    yield made
    made.close()


def check_resumed(
    killed: Killed, kind: str, out: Path, passes: int | None, again: dict[str, Any] | None = None
) -> None:
    """Resume the run (and let that be killed once, as `again` says), or begin it again if it had no folder yet: it is
    equal to the one that was not killed, and no draft is left."""
    whole, _ = killed.whole(kind, passes)
    for task in ([] if again is None else [again]) + [{"save_every": 1.0}]:
        run = {"resume": str(out / kind)} if (out / kind).exists() else {"passes": passes}
        killed.do(kind, out, **run, **task)
    killed.do(kind, out, passes=1)  # the next run removes what dead ones left
    equal(out / kind, whole)
    assert not [draft for pattern in DRAFTS for draft in out.rglob(pattern)]


def equal(folder: Path, whole: Path) -> None:
    """All files are equal but for times: figures, weights, update state, generators, sources, settings."""
    assert sorted(file.name for file in folder.iterdir()) == sorted(file.name for file in whole.iterdir())
    assert _without_times(folder) == _without_times(whole)
    for file in ("weights.safetensors", "checkpoint.safetensors"):
        assert (folder / file).read_bytes() == (whole / file).read_bytes(), file
    assert open_run(folder).settings["finished"] is not None


def _without_times(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "passes.jsonl").read_text().splitlines()]
    settings = json.loads((folder / "run.json").read_text())
    return [
        {key: value for key, value in entry.items() if key not in ("seconds", "cpu_seconds", "started", "finished")}
        for entry in [*lines, settings]
    ]


def kill_at_calls(killed: Killed, kind: str, calls: list[int], out: Path, draw: random.Random) -> None:
    """Kill a run at each of the calls, and every third time the run that resumes it as well."""
    for call in calls:
        seconds = draw.choice([0.0, 1000.0])
        assert killed.do(kind, out / str(call), call=call, save_every=seconds)["killed"] or seconds
        again = {"call": draw.randint(1, 60), "save_every": 0.0} if call % 3 == 0 else None
        check_resumed(killed, kind, out / str(call), None, again)


def kill_at_moments(killed: Killed, kind: str, times: int, out: Path, draw: random.Random) -> int:
    """Kill a run at random moments, a little after a call that writes; return how often that was before its end."""
    killed.whole(kind, MANY)
    calls = killed.do(kind, out / "counted", passes=MANY, save_every=0.02)["calls"]
    caught = 0
    for number in range(times):
        moment = {"call": draw.randint(1, calls // 2), "seconds": draw.uniform(0.0, 0.02)}
        caught += bool(killed.do(kind, out / str(number), passes=MANY, save_every=0.02, **moment)["killed"])
        check_resumed(killed, kind, out / str(number), MANY)
    return caught


@pytest.mark.parametrize("kind", KINDS)
def test_two_kills_of_each_kind(kind: str, killed: Killed, tmp_path: Path) -> None:
    draw = random.Random(kind)
    kill_at_calls(killed, kind, [draw.randint(1, killed.whole(kind)[1])], tmp_path / "calls", draw)
    kill_at_moments(killed, kind, 1, tmp_path / "moments", draw)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_kills_at_writes(kind: str, killed: Killed, tmp_path: Path) -> None:
    """Every call of a run that writes is in one of the kinds: they write at the same places of the program."""
    calls = killed.whole(kind)[1]
    assert calls > 100
    kill_at_calls(
        killed, kind, list(range(1 + list(KINDS).index(kind), calls + 1, len(KINDS))), tmp_path, random.Random(kind)
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_kills_at_random_moments(kind: str, killed: Killed, tmp_path: Path) -> None:
    assert kill_at_moments(killed, kind, 20, tmp_path, random.Random(kind)) > 0
