"""From a run folder or a file to what the pictures of `snsim.plots` are drawn from."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snsim import run_folder
from snsim.errors import Source, fail
from snsim.escaping import for_line
from snsim.input_files import is_folder
from snsim.language.evaluator import Interpreter
from snsim.language.forms import NIL, Form, Node
from snsim.language.interpreter import Word
from snsim.network.clauses import Faults
from snsim.network.net import Net, Nlf
from snsim.network.nlfs import NlfDefinition, read_nlf
from snsim.own_files import SOURCES
from snsim.plots.confusion import Confusion, confusion
from snsim.plots.curves import Curves, curves
from snsim.plots.maps import Maps, maps
from snsim.plots.misses import MOST, Misses, misses
from snsim.plots.rejection import Rejections
from snsim.plots.weights import Weights, weights
from snsim.program import lisp_functions, read_program, shelves
from snsim.registry import Shelf, suggest
from snsim.reports.program_forms import shown_nets
from snsim.runs.options import Options, Say
from snsim.runs.resume import Reopened, learned
from snsim.text_table import class_label
from snsim.training.criteria import CRITERIA
from snsim.training.forward_all import effective_weights, outputs_of
from snsim.training.prepare import Patterns
from snsim.training.rejection import curve, rejection


@dataclass(frozen=True, eq=False)
class Looked:
    """A run with its net, its data and what the net answers to one set of patterns, "test" or "train"."""

    again: Reopened
    split: str
    patterns: Patterns
    outputs: np.ndarray

    @property
    def net(self) -> Net:
        return self.again.training.net

    @property
    def title(self) -> str:
        return f"{title_of(self.again.made)}, {self.split} patterns of {self.again.data.name}"

    @property
    def with_classes(self) -> bool:
        """Whether each pattern has one largest target, among two or more: its label."""
        d = self.patterns.targets
        return d.shape[1] > 1 and bool(((d == d.max(axis=1, keepdims=True)).sum(axis=1) == 1).all())

    @property
    def right(self) -> np.ndarray:
        """Whether each pattern is right, as the training counts it."""
        name, numbers = self.again.training.criterion
        x, d = np.asarray(self.outputs, np.float64), self.patterns.targets
        return CRITERIA.get(name).right(x, d, *numbers)


def look_at(run: Path, split: str | None, options: Options, say: Say) -> Looked:
    """A run folder with its weights in an engine and its outputs; the test patterns where there are some, unless
    `split` is stated. SnError if the folder or its data cannot be had.
    """
    again = learned(run, options, say)
    return answers(again, split)


def answers(again: Reopened, split: str | None = None) -> Looked:
    """What the net of a run answers to the patterns of one set."""
    data = again.data
    if split == "test" and data.test is None:
        raise fail(
            f"the run {again.made.folder} has no test patterns", hint="write --of train for those that it learns"
        )
    chosen = data.train if split == "train" or data.test is None else data.test
    return Looked(again, "train" if chosen is data.train else "test", chosen, outputs_of(again.engine, chosen.inputs))


def title_of(made: run_folder.Run) -> str:
    """The name of a run and after which pass it is."""
    return f"{for_line(made.folder.name)}, pass {made.snapshot.number}"


def curves_of(made: run_folder.Run) -> Curves:
    """The curves of a run folder, which need neither net nor data."""
    settings = made.settings
    data = settings["data"]
    other = bool(data["rank"]) or bool(settings["overrides"]["data"])
    title = f"{for_line(made.folder.name)}, {for_line(data['name'])}"
    return curves(made.passes, title, settings["published"], not other)


def weights_of(made: run_folder.Run, only: str | None = None) -> Weights:
    """The kernels of a run folder, without its data."""
    net = net_of_run(made)
    run_folder.check_snapshot(made, {p.name: p.shape for p in net.parameters})
    return weights(net, effective_weights(net, made.weights()), title_of(made), only)


def net_of_run(made: run_folder.Run) -> Net:
    """The net of a run folder, from its own copy of the text. SnError if it is another one by now."""
    made.check_sources()  # before a text is evaluated
    program = read_program(
        made.main_source, presets=made.settings["presets"], port=io.StringIO(), texts=made.folder / SOURCES
    )
    net = program.trainings.get(made.settings["name"]).net
    if net.digest != made.settings["net_digest"]:
        raise fail(
            f"the net {net.name} is not the one the run {made.folder} was begun with",
            hint="its source was changed, or this snsim builds another net from it: begin a new run",
        )
    return net


def maps_of(looked: Looked, pattern: int) -> Maps:
    """Pattern `pattern` (from 0) in the net. SnError if there is none of this number."""
    count = len(looked.patterns)
    if not 0 <= pattern < count:
        raise fail(
            f"there is no pattern {pattern}: the {looked.split} patterns of {looked.again.data.name} are 0 to "
            f"{count - 1}",
            hint=f"choose one of 0 to {count - 1} with --pattern",
        )
    states = looked.again.engine.states(looked.patterns.inputs[pattern : pattern + 1])
    target, output = looked.patterns.targets[pattern], looked.outputs[pattern]
    names = looked.again.data.class_names
    label, answer = (class_label(names, int(values.argmax())) for values in (target, output))
    verdict = f": label {label}, answer {answer}" if looked.with_classes else ""
    title = (
        f"Pattern {pattern} of the {looked.split} patterns of {looked.again.data.name}{verdict}\n"
        f"in {title_of(looked.again.made)}"
    )
    return maps(looked.net, {name: x[0] for name, x in states.items()}, title, target, looked.with_classes)


def misses_of(looked: Looked, most: int = MOST) -> Misses:
    """The patterns that are wrong, as the training counts them."""
    shape = looked.net.layers[0].shape
    return misses(
        looked.patterns.inputs,
        shape,
        looked.outputs,
        looked.patterns.targets,
        looked.right,
        looked.title,
        looked.with_classes,
        most,
        looked.again.data.class_names,
    )


def confusion_of(looked: Looked) -> Confusion:
    """Labels and answers. SnError where there are no classes."""
    if not looked.with_classes:
        raise fail(
            f"the patterns of {looked.again.data.name} have no classes to confuse",
            hint="name data with classes: --data NAME, and give the net one output for each",
        )
    return confusion(looked.outputs, looked.patterns.targets, looked.title, looked.again.data.class_names)


def rejection_of(looked: Looked, error: float) -> Rejections:
    """The curves of rejection on all sets of the run, with the points of at most `error` percent on the rest."""
    again = looked.again
    sets = {"test": again.data.test, "train": again.data.train}
    outputs = {
        split: (
            looked.outputs if split == looked.split else outputs_of(again.engine, patterns.inputs),
            patterns.targets,
        )
        for split, patterns in sets.items()
        if patterns is not None
    }
    return Rejections(
        f"{title_of(again.made)}, {again.data.name}",
        {split: curve(*shown) for split, shown in outputs.items()},
        {split: rejection(*shown, error) for split, shown in outputs.items()},
        error,
    )


def chosen_net(path: Path, only: str | None, presets: Mapping[str, float | str]) -> Net:
    """The net of a run folder, or of a file, where `only` names one of several. SnError if it is not one."""
    if is_folder(path):
        return net_of_run(run_folder.open_run(path))
    nets = shown_nets(read_program(path, presets=presets, port=sys.stderr))
    names = [net.name for net in nets]
    found = [net for net in nets if only in (None, net.name)]
    if not names:
        raise fail(f"{path} declares no net", hint="(net NAME clause ...) declares one")
    if not found:
        raise fail(f'{path} declares no net "{only}"', hint=suggest(only or "", names, "nets"))
    if len(found) > 1:
        raise fail(
            f"{path} declares {len(found)} nets, and one is drawn", hint=f"choose with --only: {', '.join(names)}"
        )
    return found[0]


def nlf_by_text(words: Sequence[str], file: Path | None = None) -> Nlf:
    """The nlf that `(nlf WORD ...)` states: a name with its numbers, or an expression; of those that `file` declares
    too. SnError for what is none.
    """
    known = shelves().nlfs if file is None else read_program(file, port=sys.stderr).nlfs
    found: list[Nlf] = []
    only_word: Shelf[Word] = Shelf("declarative word")
    only_word.add("nlf", _nlf_word(known, found), "the nlf to draw")
    Interpreter(lisp_functions(), only_word, io.StringIO()).run(Source("<nlf>", f"(nlf {' '.join(words)})"))
    if len(found) != 1:
        raise fail(
            f"{' '.join(words)} is not one nlf",
            hint="write the name of one, such as sn-tanh; `snsim list nlf` names them",
        )
    return found[0]


def _nlf_word(known: Shelf[NlfDefinition], found: list[Nlf]) -> Word:
    def read(call: Node, interpreter: object) -> Form:
        faults = Faults()
        made = read_nlf(call, known, faults)
        faults.raise_if_any()
        if made is not None:
            found.append(made)
        return NIL

    return read
