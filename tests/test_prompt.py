"""The prompt: on a terminal, through a pipe, and what its words mean beside those of SN-2.8."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pexpect
import pytest

from snsim.errors import SnError, Source
from snsim.language.limits import Limits
from snsim.program import read_program
from snsim.prompt.install import open_session
from snsim.prompt.prompt_word import PROMPT
from snsim.prompt.responses import answer
from snsim.prompt.session import is_complete
from snsim.runs.options import Options
from snsim.runs.options import Options as Options_
from snsim.runs.run import PassFinished, run

ROOT = Path(__file__).resolve().parents[1]
TINY = """(net tiny (layer input (16 16)) (layer h1 (2 8 8)) (layer output 10)
  (connect input h1 (mask 3 3) (step 2) (border 1 0)) (connect h1 output (full)))
(train tiny (data digits) (update lm) (epsilon 0.001) (passes 3) (seed 7))
"""


class Typed:
    """A session to type into: `say` gives what was answered, faults included."""

    def __init__(self, *texts: str) -> None:
        self.port = io.StringIO()
        self.session = open_session(self.port)
        for text in texts:
            self.say(text)

    def say(self, text: str) -> str:
        self.port.seek(0)
        self.port.truncate()
        answer(self.session, Source("<prompt>", text), self.port)
        return self.port.getvalue()

    def value(self, text: str) -> object:
        *_, (_, value, _) = self.session.forms(Source("<prompt>", text))
        return value


@pytest.fixture(scope="module")
def trained() -> Typed:
    return Typed(TINY, "(train-now 'tiny 1)")


def test_a_dialogue_on_a_terminal(tmp_path: Path) -> None:
    """From loading the net of 1989 to its misses: the listing of docs/how-to/prompt.md, on a real terminal."""
    data = {key: value for key, value in os.environ.items() if key != "SNSIM_DATA"}
    child = pexpect.spawn(
        sys.executable,
        ["-m", "snsim", "repl", "--data", "digits", "--offline"],
        encoding="utf-8",
        dimensions=(50, 110),
        timeout=300,
        env={**data, "TERM": "xterm", "NO_COLOR": "1", "PROMPT_TOOLKIT_NO_CPR": "1", "SNSIM_CACHE": str(tmp_path)},
    )

    def said(text: str, *wanted: str) -> None:
        child.expect_exact("\x1b[?2004h")  # a prompt is there
        child.send(text)
        for part in wanted:
            child.expect(part)

    child.expect_exact("Ctrl-D leaves")
    shutil.copy(ROOT / "nets" / "lecun89.sn", "lecun89.sn")
    said('(load "lecun89.sn")\r', '= "lecun89.sn"')
    said("(train-now 'lecun89\r2)\r", r"digits, NOT zipcode|seed 1", r"[\r\n] +1 +\d\S+ ", r"[\r\n] +2 +\d\S+ ")
    said("(train-now 100000)\r", "pass +train loss", r"[\r\n] +3 +\d")  # more than were declared, and than are awaited
    child.sendintr()
    child.expect(r"interrupted in pass \d+ at [\d,]+ of 1,437 patterns: the net is in its state after pass (\d+)")
    done = int(child.match.group(1))
    said("(train-now 1)\r", rf"[\r\n] +{done + 1} +\S+")
    said("(misses)\r", r"\d+ of 360 test patterns are wrong", r"\d+: \d→\d", r"= \(\d+")
    said("(state 'h1)\r", "= matrix 12x8x8", "[░▒▓█]{4}")
    said("(stat 'h1)\r", r'error: there is no function "stat"', r"\^\^\^\^", 'did you mean "state"')
    said("\x04")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert (tmp_path / "history").read_text().count("(misses)") == 1


def test_a_script_needs_no_terminal(tmp_path: Path) -> None:
    script = (
        '(setq a 3)\n(+ a\n   b)\n(+ a 1)\n(save-declared "all.sn")\n'
        + TINY
        + '(save-declared "all.sn")\n(de f (x) x)\n(quit)\n(never)'
    )
    done = subprocess.run(
        [sys.executable, "-m", "snsim", "repl"], input=script, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 1 and "= 3\n" in done.stdout and "= 4\n" in done.stdout
    assert "<stdin>:2:1: error: +: () is not a number" in done.stderr or "<stdin>:3:4" in done.stderr
    assert "never" not in done.stdout + done.stderr
    checked = subprocess.run(
        [sys.executable, "-m", "snsim", "check", "all.sn"], capture_output=True, text=True, cwd=tmp_path
    )
    assert checked.returncode == 0 and "net tiny" in checked.stdout
    stray = subprocess.run([sys.executable, "-m", "snsim", "repl"], input="(+ 1 2)\n)", capture_output=True, text=True)
    assert stray.stdout == "= 3\n" and "<stdin>:2:1: warning: this ) closes nothing" in stray.stderr
    unreadable = subprocess.run(
        [sys.executable, "-m", "snsim", "repl"],
        input='(+ 1 2)\n(print "a\\q") (+ 9 9)\n(+ 2 2)\n] (+ 9 9)\n(+ 2 3)\n(+ 2 4',
        capture_output=True,
        text=True,
    )
    assert unreadable.returncode == 1 and unreadable.stdout == "= 3\n= 4\n= 5\n"
    assert all(f"<stdin>:{place}: error" in unreadable.stderr for place in ("2:10", "4:1", "6:1"))
    alone = subprocess.run([sys.executable, "-m", "snsim"], input="", capture_output=True, text=True)
    assert alone.returncode == 2 and "Usage" in alone.stderr


def test_passes_one_by_one_are_those_of_a_run(tmp_path: Path) -> None:
    typed = Typed(TINY, "(train-now 'tiny 1)", "(perf) (misses) (state 'h1)", "(train-now 1)", "(train-now)")
    current = typed.session.latest
    assert current is not None and current.last.number == 3 and [line["pass"] for line in current.lines] == [1, 2, 3]
    program = read_program(Source("<test>", TINY))
    options = Options_(out=tmp_path, online=False)
    *_, last, _ = run(program, program.trainings.get("tiny"), 7, options)
    assert isinstance(last, PassFinished)
    for name, value in last.done.snapshot.parameters.items():
        assert np.array_equal(value, current.last.parameters[name]), name


def test_the_best_pass_is_kept_and_ends_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """(keep ...) and (stop-after N) do at the prompt what they do to a run: the same passes, the same best weights."""
    from safetensors.numpy import load_file

    monkeypatch.chdir(tmp_path)
    text = TINY.replace("(passes 3)", "(passes 30) (keep best test-misses) (stop-after 3)").replace("0.001", "0.01")
    program = read_program(Source("<test>", text))
    *_, last, end = run(program, program.trainings.get("tiny"), 7, Options_(out=tmp_path, online=False))
    assert isinstance(last, PassFinished) and last.done.number < 30
    typed = Typed(text)
    out = typed.say("(train-now 'tiny)")
    current = typed.session.latest
    assert current is not None and current.last.number == last.done.number and current.best is not None
    assert "(stop-after 3) has ended the training after pass" in out and f"best pass {current.best.number}: " in out
    assert "has ended the training" in typed.say("(train-now)") and current.last.number == last.done.number
    assert typed.value("(load-best)") == current.best.number
    kept = load_file(end.run / "best.safetensors")
    assert all(np.array_equal(value, current.engine.parameters()[name]) for name, value in kept.items())
    typed.say("(train-now 2)")  # a number goes on
    assert current.last.number == last.done.number + 2
    assert "has no (keep best FIGURE)" in Typed(TINY, "(train-now 'tiny 1)").say("(load-best)")


def test_an_interrupt_loses_no_whole_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    from snsim.training import loop

    typed = Typed(TINY, "(train-now 'tiny 1)")
    current = typed.session.latest
    assert current is not None
    kept = {name: value.copy() for name, value in current.last.parameters.items()}
    real, calls = loop._score_pass, []

    def broken_off(*arguments: object) -> object:
        calls.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_score_pass", broken_off)
    assert "the net is in its state after pass 1" in typed.say("(train-now)")
    monkeypatch.setattr(loop, "_score_pass", real)
    assert calls and all(np.array_equal(value, current.engine.parameters()[name]) for name, value in kept.items())
    typed.say("(train-now)")
    whole = Typed(TINY, "(train-now 'tiny)").session.latest
    assert whole is not None and all(
        np.array_equal(value, current.last.parameters[name]) for name, value in whole.last.parameters.items()
    )


def test_other_data_for_a_session() -> None:
    """`--data` of the command line: a training still goes on, and published figures say what they are of."""
    typed = Typed()
    typed.session = open_session(typed.port, Options(data=("digits",)))
    typed.say(TINY.replace("(data digits)", "(data zipcode) (published (test-misses 3))"))
    assert "was not found" not in typed.say("(train-now 'tiny 1)")
    again = typed.say("(train-now 'tiny 1)")
    assert "seed 7" not in again and "\n   2 " in again
    assert "published on zipcode  ours on digits" in typed.say("(perf)")


def test_what_is_not_a_call_yet() -> None:
    """A word of the prompt without its brackets, and a bracket too many, are spoken of at once."""
    typed = Typed()
    assert typed.say("quit") == "; quit is a word of the prompt; call it: (quit)\n"
    assert typed.say("perf") == "; perf is a word of the prompt; call it: (perf)\n"
    assert "warning: this ) closes nothing" in typed.say(")")


def test_what_is_at_hand(trained: Typed, tmp_path: Path) -> None:
    current = trained.session.latest
    assert current is not None
    assert np.shape(trained.value("(state 'h1)")) == (2, 8, 8)
    assert np.shape(trained.value("(weights 'input 'h1)")) == (2, 1, 3, 3)
    assert 'no layer "h2"' in trained.say("(state 'h2)") and "^^^^" in trained.say("(state 'h2)")
    wrong = trained.value("(misses)")
    assert [int(n) for n in wrong or ()] == [n for n, _, _ in current.misses("test")]
    assert trained.value("(perf)") == pytest.approx(100 - current.scores()[0].error)
    before = current.outputs("test")
    name = str(tmp_path / "w.npz")
    assert f'= "{name}"' in trained.say(f'(save-weights "{name}")')
    trained.say("(weights 'h1 'output 0)")
    assert not np.array_equal(current.outputs("test"), before)
    trained.say(f'(load-weights "{name}")')
    assert np.allclose(current.outputs("test"), before, atol=1e-6)
    stranger = tmp_path / "stranger.sn"
    stranger.write_text(f'(save-weights "{tmp_path}/x.npz")')
    assert "works at the prompt only" in trained.say(f'(load "{stranger}")') and not (tmp_path / "x.npz").exists()
    (tmp_path / "mine.npz").write_bytes(b"precious")
    assert "already exists" in trained.say(f'(save-weights "{tmp_path}/mine.npz")')
    drawn = trained.say("(plot 'maps)")
    assert "h1 2x8x8" in drawn and "target" in drawn and "█" in drawn
    assert "unknown picture" in trained.say("(plot 'map)")


def test_the_words_of_sn_see_the_same_net() -> None:
    """`use-net` hands over weights, `use-data` patterns: SN's own `perf` then counts the very misses."""
    typed = Typed(TINY, "(train-now 'tiny 2)")
    percent = typed.value("(perf)")
    current = typed.session.latest
    assert current is not None
    states = typed.value("(progn (test-pattern 5 'train) (state 'output))")
    typed.say("(use-net 'tiny) (use-data) (set-class-max)")
    assert typed.session.current() is None
    assert typed.value("(perf)") == pytest.approx(percent, abs=0.1)
    own = typed.value("(progn (test-pattern 5) (state output))")
    assert np.allclose([float(x) for x in own], np.ravel(states), atol=1e-4)
    assert list(typed.value("(state 'output)")) == list(own)
    typed.say("(train-now 'tiny 1)")
    assert typed.session.current() is current and current.last.number == 3


def test_a_name_may_be_declared_again() -> None:
    typed = Typed(TINY)
    said = typed.say("(net tiny (like tiny) (layer h1 (nlf relu)))")
    assert "net tiny is replaced; training tiny still uses the old one" in said
    assert "training tiny is replaced" in typed.say("(train tiny (like tiny) (net tiny))")
    assert typed.session.declarations.trainings.get("tiny").net is typed.session.declarations.nets.get("tiny")
    assert 'unknown table "wrong"' in typed.say("(net other (like tiny) (connect input h1 (table wrong)))")
    assert 'unknown net "other"' in typed.say("(net third (like other))")  # said again, as a prompt goes on
    with pytest.raises(SnError, match="is already the name of another nlf"):  # what is built in stays
        typed.value("(define-nlf tanh (x) x)")


def test_help_knows_what_there_is(trained: Typed) -> None:
    trained.say("(de double (x) (* 2 x))")
    general = trained.say("(help)")
    assert all(entry.name in general for entry in PROMPT)
    assert "(mask R C)" in trained.say("(help 'mask)") == trained.say("(help mask)")
    assert "(* 2 x)" in trained.say("(help double)") and "current net" in trained.say("(help perf)")
    found = trained.say('(apropos "toric")')
    assert "mask-toric-connect" in found and "local-toric-connect" in found
    assert "double (function of yours)" in trained.say("(apropos double)")
    assert 'did you mean "mask"' in trained.say("(help maks)")
    for entry in PROMPT:
        assert entry.doc.startswith(f"({entry.name}") and "): " in entry.doc


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("(+ 1", False),
        ("(+ 1)", True),
        ("'(a . (b)", False),
        ('(print ")")', True),
        ('(print "(', True),
        ("'", False),
        ("; (\n", True),
        (")", True),
        ("(car 3) (", False),
        ("[1 2", False),
    ],
)
def test_a_line_ends_a_text_where_its_brackets_are_closed(text: str, complete: bool) -> None:
    assert is_complete(text) is complete


def test_each_form_has_the_limits_to_itself() -> None:
    typed = Typed()
    typed.session.interpreter.limits = Limits(steps=1_000)
    assert "too many steps" in typed.say("(while t ())")
    assert "= 3" in typed.say("(+ 1 2)")
