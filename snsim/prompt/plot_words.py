"""Define `plot`, which draws the pictures of `snsim plot` of the current net, in the terminal or to a file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snsim.colour import is_terminal
from snsim.errors import fail
from snsim.input_files import exists, resolve
from snsim.language.builtins.strings import text
from snsim.language.forms import NIL, Form
from snsim.language.procedures import CallError
from snsim.network.clauses import Faults, make_node
from snsim.network.nlfs import read_nlf
from snsim.prompt.current_training import CurrentTraining
from snsim.prompt.inspect_words import current_training
from snsim.prompt.prompt_word import name_of, prompt_word, typed_path
from snsim.prompt.session import session_of
from snsim.registry import suggest
from snsim.training.criteria import CRITERIA

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter
    from snsim.plots.registry import Picture

_ENDINGS = (".png", ".svg", ".pdf")


@prompt_word("plot")
def plot(interpreter: Interpreter, picture: Form, *rest: Form) -> Form:
    """(plot 'PICTURE ['NAME] ["FILE.png"]): shows a picture of the current net as text, or draws it into a file

    Pictures: curves weights maps misses confusion of the current training; net, table of the current net or of a
    declared net NAME; nlf of the non-linearity NAME. Files end with .png, .svg or .pdf.
    """
    from snsim.plots.registry import PICTURES
    from snsim.plots.style import WIDE, write

    title = name_of("plot", picture, "a picture", interpreter)
    known = [
        *_OF_TRAINING,
        *(entry.name for entry in PICTURES if entry.value.of == "net" and entry.value.prepare),
        "nlf",
    ]
    if title not in known:
        raise CallError(f'plot: unknown picture "{title}"', 0, suggest(title, known, "pictures"))
    path, subject = _file_and_name(interpreter, list(rest))
    picture_type = PICTURES.get(title)
    data = _data(interpreter, title, picture_type, subject)
    if path is not None:
        write(picture_type.draw(data, WIDE), path)
        return str(path)
    width = min(100, shutil.get_terminal_size().columns) if is_terminal(interpreter.port) else 76
    interpreter.print_text(picture_type.text(data, width).rstrip() + "\n")
    return NIL


def _file_and_name(interpreter: Interpreter, rest: list[Form]) -> tuple[Path | None, str | None]:
    """Return the file (a string with the ending of a picture) and the name, each None if it is not given."""
    path = None
    if rest and isinstance(rest[-1], str) and Path(rest[-1]).suffix in _ENDINGS:
        path = typed_path(text("plot", rest.pop()))
        session, place = interpreter.part(session_of), interpreter.place()
        if place is None or place.source.path is not None:
            raise CallError(
                "plot: a file may not write another file",
                None,
                "type (plot ...) at the prompt, or run the file and then: snsim plot",
            )
        if exists(path) and resolve(path) not in session.saved:
            raise CallError(f"the file {path} already exists", None, "choose another name, or remove it first")
        session.saved.add(resolve(path))
    if len(rest) > 1:
        raise CallError("plot: too many arguments", None, """write (plot 'PICTURE ['NAME] ["FILE.png"])""")
    return path, name_of("plot", rest[0], "anything", interpreter, 1) if rest else None


def _data(interpreter: Interpreter, title: str, picture: Picture, subject: str | None) -> Any:
    """Return the data from which the picture is drawn."""
    session = interpreter.part(session_of)
    if title == "nlf":
        return _nlf(interpreter, subject)
    if picture.of == "net" and picture.prepare is not None:
        net = (
            current_training(interpreter, "plot").net
            if subject is None
            else session.declarations.nets.get(subject, interpreter.place())
        )
        return picture.prepare(net)
    if subject is not None:
        raise CallError(f"plot: {title} shows the current training and takes no name", 1, f"write (plot '{title})")
    return _OF_TRAINING[title](current_training(interpreter, "plot"))


def _curves(current: CurrentTraining) -> Any:
    from snsim.plots.curves import curves

    published = dict(current.training.published)
    return curves(current.lines, current.training.name, published, current.other_data is None)


def _weights(current: CurrentTraining) -> Any:
    from snsim.plots.weights import weights

    if any(connection.weight_norm for connection in current.net.connections):
        raise fail(
            "weights with (weight-norm) are not drawn at the prompt",
            hint="save the run and draw it: snsim plot weights RUN",
        )
    return weights(current.net, current.engine.parameters(), f"{current.training.name}, pass {current.last.number}")


def _maps(current: CurrentTraining) -> Any:
    from snsim.plots.maps import maps

    split, number = current.at
    states = {name: values.ravel() for name, values in current.states().items()}
    return maps(
        current.net,
        states,
        f"{split} pattern {number} of {current.data.name}",
        current.patterns(split).targets[number],
        current.net.layers[-1].units > 1,
    )


def _misses(current: CurrentTraining) -> Any:
    from snsim.plots.misses import misses

    split = "train" if current.data.test is None else "test"
    patterns, outputs = current.patterns(split), current.outputs(split)
    name, numbers = current.training.criterion
    right = CRITERIA.get(name).right(outputs.astype(np.float64), patterns.targets, *numbers)
    return misses(
        patterns.inputs,
        [layer.shape for layer in current.net.inputs],
        outputs,
        patterns.targets,
        right,
        f"{current.training.name}, {split} patterns of {current.data.name}",
        names=current.data.class_names,
    )


def _confusion(current: CurrentTraining) -> Any:
    from snsim.plots.confusion import confusion

    split = "train" if current.data.test is None else "test"
    title = f"{current.training.name}, {split} patterns"
    return confusion(current.outputs(split), current.patterns(split).targets, title, current.data.class_names)


def _nlf(interpreter: Interpreter, subject: str | None) -> Any:
    from snsim.plots.nlf import nlf_curves

    nlfs, place = interpreter.part(session_of).declarations.nlfs, interpreter.place()
    if subject is None or place is None:
        raise CallError("plot: expected the name of a non-linearity", None, suggest("", nlfs.names(), "nlfs"))
    nlfs.get(subject, place)
    faults = Faults()
    nlf = read_nlf(make_node(["nlf", subject], place), nlfs, faults)
    if nlf is None:
        faults.stop()
    return nlf_curves(nlf)


_OF_TRAINING: dict[str, Callable[[CurrentTraining], Any]] = {
    "curves": _curves,
    "weights": _weights,
    "maps": _maps,
    "misses": _misses,
    "confusion": _confusion,
}
