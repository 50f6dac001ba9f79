"""`(plot 'maps)`: the pictures of `snsim plot` of what is at hand, as text in the terminal or as a file."""

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
from snsim.language.procedures import Misuse
from snsim.network.clauses import Faults, make_node
from snsim.network.net import Net
from snsim.network.nlfs import read_nlf
from snsim.prompt.current_training import Pupil
from snsim.prompt.inspect_words import pupil_at_hand
from snsim.prompt.prompt_word import name_of, prompt_word, typed_path
from snsim.prompt.session import session_of
from snsim.registry import suggest
from snsim.training.criteria import CRITERIA

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_ENDINGS = (".png", ".svg", ".pdf")


@prompt_word("plot")
def plot(interpreter: Interpreter, picture: Form, *rest: Form) -> Form:
    """(plot 'PICTURE ['NAME] ["FILE.png"]): a picture of the net at hand: as text here, or drawn into a file

    Pictures: curves weights maps misses confusion of the training at hand; net, table of it or of a declared net NAME;
    nlf of the non-linearity NAME. Files end with .png, .svg or .pdf.
    """
    from snsim.plots.registry import PICTURES
    from snsim.plots.style import WIDE, write

    title = name_of("plot", picture, "a picture", interpreter)
    known = [*_OF_PUPIL, *_OF_NET, "nlf"]
    if title not in known:
        raise Misuse(f'plot: unknown picture "{title}"', 0, suggest(title, known, "pictures"))
    path, subject = _file_and_name(interpreter, list(rest))
    made, data = PICTURES.get(title), _data(interpreter, title, subject)
    if path is not None:
        write(made.draw(data, WIDE), path)
        return str(path)
    width = min(100, shutil.get_terminal_size().columns) if is_terminal(interpreter.port) else 76
    interpreter.print_text(made.text(data, width).rstrip() + "\n")
    return NIL


def _file_and_name(interpreter: Interpreter, rest: list[Form]) -> tuple[Path | None, str | None]:
    """The file, a string with the ending of a picture, and the name, whichever are there."""
    path = None
    if rest and isinstance(rest[-1], str) and Path(rest[-1]).suffix in _ENDINGS:
        path = typed_path(text("plot", rest.pop()))
        session, place = interpreter.part(session_of), interpreter.place()
        if place is None or place.source.path is not None:
            raise Misuse(
                "plot: no file may write another one",
                None,
                "type (plot ...) at the prompt, or run the file and then: snsim plot",
            )
        if exists(path) and resolve(path) not in session.saved:
            raise Misuse(f"there is a file {path} already", None, "give another name, or remove it first")
        session.saved.add(resolve(path))
    if len(rest) > 1:
        raise Misuse("plot: too many arguments", None, """write (plot 'PICTURE ['NAME] ["FILE.png"])""")
    return path, name_of("plot", rest[0], "anything", interpreter, 1) if rest else None


def _data(interpreter: Interpreter, title: str, subject: str | None) -> Any:
    """What the picture is drawn from."""
    session = interpreter.part(session_of)
    if title == "nlf":
        return _nlf(interpreter, subject)
    if title in _OF_NET:
        net = (
            pupil_at_hand(interpreter, "plot").net
            if subject is None
            else session.own.nets.get(subject, interpreter.place())
        )
        return _OF_NET[title](net)
    if subject is not None:
        raise Misuse(
            f"plot: {title} is a picture of the training at hand, and takes no name", 1, f"write (plot '{title})"
        )
    return _OF_PUPIL[title](pupil_at_hand(interpreter, "plot"))


def _curves(pupil: Pupil) -> Any:
    from snsim.plots.curves import curves

    published = dict(pupil.training.published)
    return curves(pupil.lines, pupil.training.name, published, pupil.other_data is None)


def _weights(pupil: Pupil) -> Any:
    from snsim.plots.weights import weights

    if any(connection.weight_norm for connection in pupil.net.connections):
        raise fail(
            "weights with (weight-norm) are not drawn at the prompt",
            hint="save the run, and draw it: snsim plot weights RUN",
        )
    return weights(pupil.net, pupil.engine.parameters(), f"{pupil.training.name}, pass {pupil.last.number}")


def _maps(pupil: Pupil) -> Any:
    from snsim.plots.maps import maps

    split, number = pupil.at
    states = {name: values.ravel() for name, values in pupil.states().items()}
    return maps(
        pupil.net,
        states,
        f"{split} pattern {number} of {pupil.data.name}",
        pupil.patterns(split).targets[number],
        pupil.net.layers[-1].units > 1,
    )


def _misses(pupil: Pupil) -> Any:
    from snsim.plots.misses import misses

    split = "train" if pupil.data.test is None else "test"
    patterns, outputs = pupil.patterns(split), pupil.outputs(split)
    name, numbers = pupil.training.criterion
    right = CRITERIA.get(name).right(outputs.astype(np.float64), patterns.targets, *numbers)
    return misses(
        patterns.inputs,
        pupil.data.shape,
        outputs,
        patterns.targets,
        right,
        f"{pupil.training.name}, {split} patterns of {pupil.data.name}",
        names=pupil.data.class_names,
    )


def _confusion(pupil: Pupil) -> Any:
    from snsim.plots.confusion import confusion

    split = "train" if pupil.data.test is None else "test"
    title = f"{pupil.training.name}, {split} patterns"
    return confusion(pupil.outputs(split), pupil.patterns(split).targets, title, pupil.data.class_names)


def _net(net: Net) -> Net:
    return net


def _tables(net: Net) -> Any:
    from snsim.plots.table import tables

    return tables(net)


def _nlf(interpreter: Interpreter, subject: str | None) -> Any:
    from snsim.plots.nlf import nlf_curves

    nlfs, place = interpreter.part(session_of).own.nlfs, interpreter.place()
    if subject is None or place is None:
        raise Misuse("plot: which non-linearity?", None, suggest("", nlfs.names(), "nlfs"))
    nlfs.get(subject, place)
    faults = Faults()
    made = read_nlf(make_node(["nlf", subject], place), nlfs, faults)
    if made is None:
        faults.stop()
    return nlf_curves(made)


_OF_PUPIL: dict[str, Callable[[Pupil], Any]] = {
    "curves": _curves,
    "weights": _weights,
    "maps": _maps,
    "misses": _misses,
    "confusion": _confusion,
}
_OF_NET: dict[str, Callable[[Net], Any]] = {"net": _net, "table": _tables}
