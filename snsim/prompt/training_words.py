"""Define the words that train, show and save what was declared."""

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
from snsim.language.procedures import ABSENT, CallError
from snsim.network.complete_form import complete_form
from snsim.plots.connection_text import describe_connections, drawn_tables
from snsim.prompt.current_training import CurrentTraining
from snsim.prompt.help_words import own_functions, show_other
from snsim.prompt.inspect_words import current_training
from snsim.prompt.prompt_word import name_of, prompt_word, typed_path
from snsim.prompt.session import session_of
from snsim.protected_files import write_output
from snsim.reports.pass_lines import pass_headings, pass_line
from snsim.reports.program_forms import complete_forms
from snsim.reports.tables import plain, summary
from snsim.tensor_file import tensor_file
from snsim.training.initial_files import load_initial
from snsim.training.loop import PassResult, Progress, PruningResult

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_PATIENCE = 0.4  # seconds after which a pass shows a progress line
_WEIGHT_FILES = (".npz", ".safetensors")


# Training


@prompt_word("train-now")
def train_now(interpreter: Interpreter, name: Form = ABSENT, passes: Form = ABSENT) -> Form:
    """(train-now ['NAME] [n]): trains a declared training for n passes, or to its end, from where it last stopped

    Without a name it continues the current training. Ctrl-C stops after the last complete pass, and (train-now) then
    continues with the same numbers as without the stop. Passes beyond the declared ones use the last rates. With
    (keep best FIGURE) the weights of the best pass are kept beside the last ones, for (load-best), and (stop-after N)
    ends the training. Nothing is written to disk: `snsim run` keeps runs. (restart) starts again from the beginning.
    """
    if isinstance(name, float) and passes is ABSENT:
        name, passes = ABSENT, name
    current = current_training(interpreter, "train-now") if name is ABSENT else _chosen(interpreter, name)
    if passes is ABSENT and current.is_stopped:
        interpreter.print_text(f"{_stop_sentence(current)}: (train-now 5) trains 5 more, (load-best) loads the best\n")
        return NIL
    count = current.passes_left if passes is ABSENT else whole("train-now", passes, 0 if name is ABSENT else 1)
    if passes is ABSENT and not count:
        interpreter.print_text(
            f"all {current.training.passes} passes are done: (train-now 5) trains 5 more, (restart) "
            "starts from the beginning\n"
        )
        return NIL
    if count < 1:
        raise CallError(
            f"train-now: {count} is not a number of passes",
            0 if name is ABSENT else 1,
            "write (train-now 'NAME 3) for three passes",
        )
    _follow(interpreter, current, count)
    if current.best is not None and current.best.number:
        best = current.best
        stopped = f"{_stop_sentence(current)}; " if current.is_stopped else ""
        interpreter.print_text(
            f"{stopped}best pass {best.number}: {best.figure} {best.value:g}; (load-best) loads its weights\n"
        )
    return NIL


def _stop_sentence(current: CurrentTraining) -> str:
    return f"(stop-after {current.training.stop_after}) has ended the training after pass {current.last.number}"


@prompt_word("load-best")
def load_best(interpreter: Interpreter) -> Form:
    """(load-best): loads the weights of the best pass, of (keep best FIGURE), into the current net; returns its number

    Training continues from them with the update state and the number of the last pass; (restart) starts again.
    """
    current = current_training(interpreter, "load-best")
    if current.best is None:
        raise CallError(
            "load-best: this training has no (keep best FIGURE)", None, "add (keep best test-misses) to its (train ...)"
        )
    if not current.best.number:
        raise CallError("load-best: no pass is done yet", None, "train first: (train-now 1)")
    current.set_weights(current.best_weights)
    return float(current.best.number)


@prompt_word("restart")
def restart(interpreter: Interpreter, seed: Form = ABSENT) -> Form:
    """(restart [seed]): resets the current training to before its first pass; a seed given replaces the last one"""
    current = current_training(interpreter, "restart")
    number = current.seed if seed is ABSENT else whole("restart", seed)
    _begin(interpreter, current.declared.name, number)
    return NIL


def _chosen(interpreter: Interpreter, name: Form) -> CurrentTraining:
    """Return the training of a name: the latest one if it has the same declaration, otherwise a new one."""
    session = interpreter.part(session_of)
    title = name_of("train-now", name, "a training", interpreter)
    training = session.declarations.trainings.get(title, interpreter.place())
    latest = session.latest
    if latest is not None and latest.declared is training:
        session.make_current(latest)
        return latest
    return _begin(interpreter, title, training.seeds[0])


def _begin(interpreter: Interpreter, title: str, seed: int) -> CurrentTraining:
    session = interpreter.part(session_of)
    training = session.declarations.trainings.get(title, interpreter.place())
    bar = ProgressBar(sys.stderr) if is_terminal(sys.stderr) else None
    current = CurrentTraining(
        session.program,
        training,
        seed,
        session.options,
        lambda sentence: interpreter.print_text(f"; {sentence}\n"),
        bar,
    )
    session.make_current(current)
    data, tests = current.data, 0 if current.data.test is None else len(current.data.test)
    interpreter.print_text(
        f"{title}, seed {seed}: {training.net.summary}\n"
        f"{data.name}, {len(data.train):,} train and {tests:,} test patterns; "
        f"engine {current.engine.name}, {current.engine.dtype}\n"
    )
    choices = current.training.data.names
    if choices and data.name != choices[0]:
        interpreter.print_text(f"; data {data.name}, NOT {choices[0]}, which was not found\n")
    if current.instead:
        interpreter.print_text(f"; {current.instead}\n")
    return current


def _follow(interpreter: Interpreter, current: CurrentTraining, passes: int) -> None:
    """Train, printing a line for each pass; on a terminal a long pass shows a temporary progress line."""
    port = interpreter.port
    shows = is_terminal(port)
    drawn, since = "", time.monotonic()
    interpreter.print_text(pass_headings(current.data.test is not None) + "\n")
    now = Progress(current.last.number + 1, 0, len(current.data.train))
    try:
        for step in current.learn(passes):
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
            f"is in its state after pass {current.last.number}; (train-now) continues\n"
        )


def _line(step: PassResult | PruningResult) -> str:
    if isinstance(step, PassResult):
        return pass_line(step.number, step.train, step.test)
    cut = step.before.connections - step.remaining.connections
    return f"      before pass {step.number} {cut:,} connections are cut; {step.remaining.connections:,} remain"


# What was declared


@prompt_word("show")
def show(interpreter: Interpreter, name: Form) -> Form:
    """(show 'NAME): describes a declared net, training or table: layers, connections, every clause with its origin"""
    session = interpreter.part(session_of)
    title = name_of("show", name, "anything declared", interpreter)
    net, training = session.declarations.nets.entry(title), session.declarations.trainings.entry(title)
    parts = []
    if net is not None:
        shown_training = training.value if training is not None and training.value.net is net.value else None
        parts += [
            plain(summary(net.value, shown_training), with_rates=shown_training is not None),
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
    """(declared): prints a line for each net, training, table and function of this session"""  # noqa: D401
    lines = [f"{kind} {entry.name}: {entry.doc}" for kind, entry in interpreter.part(session_of).declared()]
    lines += [f"function {name}" for name in own_functions(interpreter)]
    interpreter.print_text("\n".join(lines or ['nothing yet: (load "FILE.sn") reads a file']) + "\n")
    return NIL


# Files


@prompt_word("save-weights")
def save_weights(interpreter: Interpreter, file: Form) -> Form:
    """(save-weights "F.npz"): writes the weights of the current net to a file that (initial "F.npz") reads"""
    current = current_training(interpreter, "save-weights")
    path = _to_write(interpreter, "save-weights", file, _WEIGHT_FILES)
    arrays: dict[str, Any] = {
        p.name: np.asarray(current.last.parameters[p.name], order="C") for p in current.net.parameters if p.learns
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
    """(load-weights "F.npz"): loads weights from a file into the current net"""
    current = current_training(interpreter, "load-weights")
    current.set_weights(
        load_initial(typed_path(text("load-weights", file)), current.net, interpreter.place(), current.engine.dtype)
    )
    return str(file)


@prompt_word("save-declared")
def save_declared(interpreter: Interpreter, file: Form) -> Form:
    """(save-declared "F.sn"): writes every net, training and table of this session, complete, for `snsim run`"""
    session = interpreter.part(session_of)
    forms = list(complete_forms(session.program))
    if not forms:
        raise CallError(
            "save-declared: nothing was declared yet", None, "declare something first: (net NAME clause ...)"
        )
    path = _to_write(interpreter, "save-declared", file, (".sn",))
    try:
        write_output(path, ("\n\n".join(forms) + "\n").encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise _unwritable(path, error) from None
    return str(path)


def _unwritable(path: Path, error: OSError) -> CallError:
    return CallError(
        f"{path} cannot be written: {error.strerror or error}", 0, "name a file in a folder that you may write to"
    )


def _to_write(interpreter: Interpreter, caller: str, file: Form, endings: tuple[str, ...]) -> Path:
    """Return the path to write. CallError for a file of another session, or if a file calls the word."""
    session = interpreter.part(session_of)
    place = interpreter.place()
    if place is None or place.source.path is not None:
        raise CallError(
            f"{caller} works at the prompt only: a file may not write another file",
            None,
            f"type ({caller} ...) at the prompt",
        )
    path = typed_path(text(caller, file))
    if path.suffix not in endings:
        raise CallError(
            f"{caller}: {path.name} does not end with {' or '.join(endings)}", 0, f'write "{path.stem}{endings[0]}"'
        )
    if exists(path) and resolve(path) not in session.saved:
        raise CallError(f"the file {path} already exists", 0, "choose another name, or remove it first")
    session.saved.add(resolve(path))
    return path


@prompt_word("quit")
def quit_(interpreter: Interpreter) -> Form:
    """(quit): leaves the prompt; so does Ctrl-D"""
    raise SystemExit(0)
