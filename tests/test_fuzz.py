"""The fuzzer of tests/fuzz.py: it sees what it must see, repeats its inputs, and finds nothing in a minute."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if not hasattr(os, "fork"):
    pytest.skip("the inputs run in forked processes", allow_module_level=True)

import fuzz
from contained import BYTES, Containment, Outcome


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[fuzz.Fuzzer]:
    folder = tmp_path_factory.mktemp("fuzz")
    with Containment(folder / "cache") as server:
        yield fuzz.Fuzzer(1, folder, server)


CHECK = fuzz.Input({"a.sn": b"(net"}, ("check", "a.sn"), "a.sn")


@pytest.mark.parametrize(
    ("code", "err", "bytes", "why"),
    [
        (1, "a.sn:1:1: error: this ( is never closed\n", 0, ""),
        (1, "error: a.sn is a text in UTF-16\n", 0, ""),
        (0, "a.sn:1:1: warning: odd\n", 0, ""),
        (1, "error: something is wrong\n", 0, "fault without a place: something is wrong"),
        (1, "", 0, "fails without a fault"),
        (
            70,
            'Traceback (most recent call last):\n  File "snsim/x.py", line 1, in f\nKeyError: 1\n',
            0,
            "exception: KeyError: 1 in x.py",
        ),
        (-24, "", 0, "more than 10 s of CPU"),
        (-14, "", 0, "waits without end"),
        (-11, "", 0, "exit code -11"),
        (0, "", BYTES + 1, "2048 MB"),
        (0, "x.py:1: RuntimeWarning: overflow\n", 0, "warning of Python"),
    ],
)
def test_what_fails(code: int, err: str, bytes: int, why: str) -> None:
    found = fuzz.failure(CHECK, Outcome(code, "", err, 0.1, bytes))
    assert found.startswith(why) if why else not found


def test_inputs_are_repeated_and_differ(fuzzer: fuzz.Fuzzer) -> None:
    for target in fuzz.TARGETS:
        inputs = [fuzzer.input(target, number) for number in range(20)]
        assert inputs == [fuzzer.input(target, number) for number in range(20)]
        assert len({str(given.files) for given in inputs}) >= 15, target


def test_a_contained_command_is_ended_at_its_limits(tmp_path: Path) -> None:
    (tmp_path / "time.sn").write_text("(print 1) (while t)")
    (tmp_path / "memory.sn").write_text("(print 1) (while t (setq k (cons (matrix 3000 3000) k)))")
    with Containment(tmp_path / "cache", seconds=1, bytes=500 << 20) as server:
        endless = server.run(["run", "time.sn"], tmp_path)
        full = server.run(["run", "memory.sn"], tmp_path)
        told = server.run(["check", "no.sn"], tmp_path)
    assert fuzz.failure(CHECK, endless) == "more than 10 s of CPU" and endless.seconds < 3
    if sys.platform == "linux":  # others do not hold a process to the limit
        assert full.code == 1 and "memory.sn:1:11: error: the program needs more memory than the system" in full.err
    assert told.code == 1 and "there is no file no.sn" in told.err  # the server goes on


def test_a_failing_input_is_made_small(fuzzer: fuzz.Fuzzer, monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(f"(setq x{number} {number})" for number in range(20)) + " (oops)"
    monkeypatch.setattr(fuzz, "failure", lambda given, outcome: "bad" if b"oops" in given.files["a.sn"] else "")
    small = fuzzer.smaller(fuzz.Input({"a.sn": text.encode()}, ("check", "a.sn"), "a.sn"), "bad", 400)
    assert small.files["a.sn"] == b"oops"


def test_texts_are_changed_a_little() -> None:
    text = fuzz.random_training(1)
    changed = [fuzz.mutate_text(text, random.Random(seed), [text], True) for seed in range(40)]
    assert sum(content != text.encode() for content in changed) >= 30


@pytest.mark.slow
def test_a_minute_finds_nothing(tmp_path: Path) -> None:
    inputs = 70  # of each target: about a minute, and the same ones on any machine
    assert fuzz.fuzz(180, 1, tmp_path / "kept", list(fuzz.TARGETS), most=inputs) == 0
