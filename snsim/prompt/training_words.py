"""Words to train, show and save what was declared."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snsim.colour import is_terminal
from snsim.data.progress import ProgressBar
from snsim.input_files import exists, resolve
from snsim.language.builtins.arithmetic import whole
from snsim.language.builtins.strings import text
from snsim.language.forms import NIL, Form
from snsim.language.procedures import ABSENT, Misuse
from snsim.network.complete_form import complete_form
from snsim.plots.connection_text import describe_connections, drawn_tables
from snsim.prompt.current_training import Pupil
from snsim.prompt.help_words import own_functions, show_other
from snsim.prompt.inspect_words import pupil_at_hand
from snsim.prompt.prompt_word import name_of, prompt_word, typed_path
from snsim.prompt.session import session_of
from snsim.protected_files import write_output
from snsim.reports.pass_lines import pass_headings, pass_line
from snsim.reports.program_forms import complete_forms
from snsim.reports.tables import plain, summary
from snsim.tensor_file import tensor_file
from snsim.training.initial_files import load_initial
from snsim.training.loop import Pass, Progress, Pruned

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_PATIENCE = 0.4  # seconds that a pass may take without a line that shows where it is
_WEIGHT_FILES = (".npz", ".safetensors")


# Training


@prompt_word("train-now")
def train_now(interpreter: Interpreter, name: Form = ABSENT, passes: Form = ABSENT) -> Form:
    """(train-now ['NAME] [n]): runs a declared training at once, or n passes of it; it goes on where it stopped

    Without a name it is the training at hand. Ctrl-C ends it after the last whole pass, and no pass of those is lost:
    (train-now) goes on, with the same numbers as if it had not been stopped. More passes than were declared go on
    with the last rates. Nothing is written: `snsim run` keeps runs. (restart) begins it anew.
    """
    if isinstance(name, float) and passes is ABSENT:
        name, passes = ABSENT, name
    pupil = pupil_at_hand(interpreter, "train-now") if name is ABSENT else _chosen(interpreter, name)
    count = pupil.passes_left if passes is ABSENT else whole("train-now", passes, 0 if name is ABSENT else 1)
    if passes is ABSENT and not count:
        interpreter.print_text(
            f"all {pupil.training.passes} passes are done: (train-now 5) goes on for 5 more, (restart) begins anew\n"
        )
        return NIL
    if count < 1:
        raise Misuse(
            f"train-now: {count} is no number of passes",
            0 if name is ABSENT else 1,
            "write (train-now 'NAME 3) for three passes",
        )
    _follow(interpreter, pupil, count)
    return NIL


@prompt_word("restart")
def restart(interpreter: Interpreter, seed: Form = ABSENT) -> Form:
    """(restart [seed]): the training at hand as it was before its first pass, with another seed if one is given"""
    pupil = pupil_at_hand(interpreter, "restart")
    number = pupil.seed if seed is ABSENT else whole("restart", seed)
    _begin(interpreter, pupil.declared.name, number)
    return NIL


def _chosen(interpreter: Interpreter, name: Form) -> Pupil:
    """The pupil of a declared training: the one there is if it is of the same declaration, else a new one."""
    session = interpreter.part(session_of)
    title = name_of("train-now", name, "a training", interpreter)
    training = session.own.trainings.get(title, interpreter.place())
    old = session.pupil
    if old is not None and old.declared is training:
        session.take(old)
        return old
    return _begin(interpreter, title, training.seeds[0])


def _begin(interpreter: Interpreter, title: str, seed: int) -> Pupil:
    session = interpreter.part(session_of)
    training = session.own.trainings.get(title, interpreter.place())
    bar = ProgressBar(sys.stderr) if is_terminal(sys.stderr) else None
    pupil = Pupil(
        session.program,
        training,
        seed,
        session.options,
        lambda sentence: interpreter.print_text(f"; {sentence}\n"),
        bar,
    )
    session.take(pupil)
    data, tests = pupil.data, 0 if pupil.data.test is None else len(pupil.data.test)
    interpreter.print_text(
        f"{title}, seed {seed}: {training.net.summary}\n"
        f"{data.name}, {len(data.train):,} train and {tests:,} test patterns; "
        f"engine {pupil.engine.name}, {pupil.engine.dtype}\n"
    )
    wanted = pupil.training.data.names
    if wanted and data.name != wanted[0]:
        interpreter.print_text(f"; {data.name}, NOT {wanted[0]}, which could not be had\n")
    if pupil.instead:
        interpreter.print_text(f"; {pupil.instead}\n")
    return pupil


def _follow(interpreter: Interpreter, pupil: Pupil, passes: int) -> None:
    """Learn, a line for each pass; on a terminal a line that comes and goes in a long one."""
    port = interpreter.port
    shows = is_terminal(port)
    drawn, since = "", time.monotonic()
    interpreter.print_text(pass_headings(pupil.data.test is not None) + "\n")
    now = Progress(pupil.last.number + 1, 0, len(pupil.data.train))
    try:
        for step in pupil.learn(passes):
            if isinstance(step, Progress):
                now = step
                if shows and time.monotonic() - since > _PATIENCE:
                    drawn = f"pass {step.number}: {step.done:,} of {step.total:,}"
                    port.write(f"\r{drawn}")
            else:
                if drawn:
                    port.write("\r" + " " * len(drawn) + "\r")
                    drawn, since = "", time.monotonic()
                interpreter.print_text(_line(step) + "\n")
            port.flush()
    except KeyboardInterrupt:
        if drawn:
            port.write("\r" + " " * len(drawn) + "\r")
        interpreter.print_text(
            f"interrupted in pass {now.number} at {now.done:,} of {now.total:,} patterns: the net "
            f"is as it was after pass {pupil.last.number}; (train-now) goes on\n"
        )


def _line(step: Pass | Pruned) -> str:
    if isinstance(step, Pass):
        return pass_line(step.number, step.train, step.test)
    return (
        f"      before pass {step.number} {step.before.connections - step.left.connections:,} connections are cut; "
        f"left are {step.left.connections:,}"
    )


# What was declared


@prompt_word("show")
def show(interpreter: Interpreter, name: Form) -> Form:
    """(show 'NAME): a declared net, training or table: layers, connections, every clause with its origin"""
    session = interpreter.part(session_of)
    title = name_of("show", name, "anything declared", interpreter)
    net, training = session.own.nets.entry(title), session.own.trainings.entry(title)
    parts = []
    if net is not None:
        of_it = training.value if training is not None and training.value.net is net.value else None
        parts += [
            plain(summary(net.value, of_it), with_rates=of_it is not None),
            describe_connections(net.value),
            drawn_tables(net.value),
            complete_form("net", title, net.value.clauses, 64),
        ]
    if training is not None:
        parts.append(complete_form("train", title, training.value.clauses, 64, training.value.dropped))
    if not parts:
        return show_other(interpreter, title)
    interpreter.print_text("\n\n".join(part for part in parts if part) + "\n")
    return NIL


@prompt_word("declared")
def declared(interpreter: Interpreter) -> Form:
    """(declared): a line for each net, training, table and function of this session"""
    lines = [f"{kind} {entry.name}: {entry.doc}" for kind, entry in interpreter.part(session_of).declared()]
    lines += [f"function {name}" for name in own_functions(interpreter)]
    interpreter.print_text("\n".join(lines or ['nothing yet: (load "FILE.sn") reads a file']) + "\n")
    return NIL


# Files


@prompt_word("save-weights")
def save_weights(interpreter: Interpreter, file: Form) -> Form:
    """(save-weights "F.npz"): writes the weights of the net at hand, as (initial "F.npz") reads them"""
    pupil = pupil_at_hand(interpreter, "save-weights")
    path = _to_write(interpreter, "save-weights", file, _WEIGHT_FILES)
    arrays: dict[str, Any] = {
        p.name: np.asarray(pupil.last.parameters[p.name], order="C") for p in pupil.net.parameters if p.learns
    }
    try:
        if path.suffix == ".npz":
            content = io.BytesIO()
            np.savez(content, **arrays)
            write_output(path, content.getbuffer())
        else:
            write_output(path, tensor_file(arrays))
    except OSError as error:
        raise _unwritable(path, error) from None
    return str(path)


@prompt_word("load-weights")
def load_weights(interpreter: Interpreter, file: Form) -> Form:
    """(load-weights "F.npz"): puts weights from a file into the net at hand"""
    pupil = pupil_at_hand(interpreter, "load-weights")
    pupil.set_weights(
        load_initial(typed_path(text("load-weights", file)), pupil.net, interpreter.place(), pupil.engine.dtype)
    )
    return str(file)


@prompt_word("save-declared")
def save_declared(interpreter: Interpreter, file: Form) -> Form:
    """(save-declared "F.sn"): writes every net, training and table of this session, complete, for `snsim run`"""
    session = interpreter.part(session_of)
    forms = list(complete_forms(session.program))
    if not forms:
        raise Misuse("save-declared: nothing was declared yet", None, "declare something first: (net NAME clause ...)")
    path = _to_write(interpreter, "save-declared", file, (".sn",))
    try:
        write_output(path, ("\n\n".join(forms) + "\n").encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise _unwritable(path, error) from None
    return str(path)


def _unwritable(path: Path, error: OSError) -> Misuse:
    return Misuse(
        f"{path} cannot be written: {error.strerror or error}", 0, "give a file in a folder that you may write to"
    )


def _to_write(interpreter: Interpreter, who: str, file: Form, endings: tuple[str, ...]) -> Path:
    """The path to be written, which this session made itself if it is there. Misuse for a word that was not typed."""
    session = interpreter.part(session_of)
    place = interpreter.place()
    if place is None or place.source.path is not None:
        raise Misuse(f"{who} is for the prompt: no file may write another one", None, f"type ({who} ...) at the prompt")
    path = typed_path(text(who, file))
    if path.suffix not in endings:
        raise Misuse(
            f"{who}: {path.name} does not end with {' or '.join(endings)}", 0, f'write "{path.stem}{endings[0]}"'
        )
    if exists(path) and resolve(path) not in session.saved:
        raise Misuse(f"there is a file {path} already", 0, "give another name, or remove it first")
    session.saved.add(resolve(path))
    return path


@prompt_word("quit")
def quit_(interpreter: Interpreter) -> Form:
    """(quit): leaves the prompt; so does Ctrl-D"""
    raise SystemExit(0)
