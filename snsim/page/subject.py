"""What a page shows: a training with its data and weights, from a run, a file or a net of the gallery."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from snsim.data.catalog import DATA_SETS
from snsim.data.examples import Examples, Split
from snsim.errors import SnError, Source, fail, for_line
from snsim.gallery import ShippedWeights
from snsim.page.net_view import ShownData
from snsim.program import Program
from snsim.runs.examples import SourceFolder, find_examples
from snsim.runs.opened_run import OpenedRun
from snsim.runs.options import Options, Say, overridden
from snsim.runs.run import start_weights
from snsim.training.initial_files import load_initial
from snsim.training.prepare import prepare_data
from snsim.training.spec import DataChoice, Training

EMBEDDED = "digits"  # the data set that a page carries in place of the others of the catalogue
_DIGITS = (
    'The digits are those of "Optical recognition of handwritten digits" by E. Alpaydin and C. Kaynak (1998), UCI '
    "Machine Learning Repository, as scikit-learn distributes them (BSD 3-Clause License, copyright 2007-2026 the "
    "scikit-learn developers), scaled from 8 x 8 to 16 x 16."
)
_NOT_OURS = "The data are those that {name} names; the project does not give them away, so keep this page to yourself."


@dataclass(frozen=True, eq=False)
class PageSubject:
    """A training as a page shows it.

    Attributes
    ----------
    training : Training
    data : ShownData
    seed : int
        Of the weights and of everything that the training draws.
    texts : tuple of Source
        The description, the main text first.
    weights : mapping or None
        Trained weights by parameter name, which the page starts with; None: initial ones.
    initial : mapping or None
        Initial weights by parameter name, where they do not come from the seed.
    origin : str
        Where the weights are from, for the first sentence of the page.
    notes : tuple of str
        Sentences for the user who writes the page.
    """

    training: Training
    data: ShownData
    seed: int
    texts: tuple[Source, ...]
    weights: Mapping[str, np.ndarray] | None
    initial: Mapping[str, np.ndarray] | None
    origin: str
    notes: tuple[str, ...] = ()


def subject_of_program(
    program: Program,
    only: str | None,
    options: Options,
    say: Say,
    seed: int | None = None,
    shipped: ShippedWeights | None = None,
    examples: int | None = None,
) -> PageSubject:
    """Return a training of a file. `only` names one of several; `shipped` are the weights of a net of the gallery.

    `examples` is how many patterns of each class are taken (None: all). SnError if there is no such training, or its
    data do not fit.
    """
    training = program.only_training(only, "a page shows one")
    if shipped is not None and training.name == shipped.training:
        weights = load_initial(shipped.path, training.net)
        origin = f"the weights of the gallery: {shipped.summary}"
        return subject_of_training(
            program, training, options, say, seed, weights, origin, examples=examples, trained_on=shipped.data
        )
    return subject_of_training(program, training, options, say, seed, examples=examples)


def subject_of_training(
    program: Program,
    training: Training,
    options: Options,
    say: Say,
    seed: int | None = None,
    weights: Mapping[str, np.ndarray] | None = None,
    origin: str = "",
    *,
    examples: int | None = None,
    trained_on: str = "",
) -> PageSubject:
    """Return a training of a program.

    `origin` says where its `weights` are from. Without weights, the training starts from initial ones.
    `examples` is how many patterns of each class are taken (None: all), `trained_on` the data of the weights. SnError
    if the data do not fit.
    """
    seed = seed if seed is not None else training.seeds[0]
    if weights is None:
        origin = f"initial weights, seed {seed}"
    folder = SourceFolder.of(program.sources)
    return _subject(training, options, folder, say, seed, program.sources, weights, origin, examples, trained_on)


def subject_of_run(
    run: OpenedRun, options: Options, say: Say, seed: int | None = None, examples: int | None = None
) -> PageSubject:
    """Return the training of a run with its last weights. SnError if the run or its data are damaged or missing."""
    training = run.training
    seed = seed if seed is not None else int(run.settings["seed"])
    origin = f"the weights of the run {for_line(run.name)} after pass {run.pass_number}"
    initial = run.settings["overrides"].get("initial")
    folder = SourceFolder(Path(run.settings["source"]["root"]), (run.folder / "source").resolve())
    options = replace(options, initial=None if initial is None else Path(initial), presets={})
    declared = run.program.trainings.get(run.settings["name"]).data
    replaced = bool(run.settings["overrides"]["data"])
    recorded = None if options.data or training.data.names else run.found_examples.examples
    weights = {name: np.asarray(values) for name, values in run.weights.items()}
    trained_on = str(run.settings["data"]["name"])
    return _subject(
        training,
        options,
        folder,
        say,
        seed,
        run.texts,
        weights,
        origin,
        examples,
        trained_on,
        recorded,
        declared,
        replaced,
    )


def _subject(
    training: Training,
    options: Options,
    folder: SourceFolder,
    say: Say,
    seed: int,
    texts: tuple[Source, ...],
    weights: Mapping[str, np.ndarray] | None,
    origin: str,
    most: int | None,
    trained_on: str = "",
    recorded: Examples | None = None,
    declared: DataChoice | None = None,
    replaced: bool = False,
) -> PageSubject:
    """Return the subject. `most` patterns of each class are taken; `recorded` are the examples of a run's own data.

    `trained_on` names the data that the weights were learned from. `declared` are the data of the description, to which
    published figures belong; None: those of `training`. `replaced` tells that the training has others by an option.
    """
    notes: list[str] = []
    named = training.data.names
    declared = declared or training.data
    replaced = replaced or bool(options.data)
    if named and not options.data:
        options = replace(options, data=(EMBEDDED,))
        if named[0] != EMBEDDED:
            notes.append(
                f"the page carries the data set {EMBEDDED} in place of {for_line(named[0])}; --data names another"
            )
    shown = overridden(training, options)
    try:
        found = find_examples(shown, options, folder, say, None).examples if recorded is None else recorded
        prepared = prepare_data(shown, _first_of_each(found, most), "float32")
    except SnError as error:
        if options.data != (EMBEDDED,) or not named:
            raise
        raise fail(
            f"the net {for_line(training.net.name)} cannot learn the digits that the page carries: "
            f"{error.faults[0].message}",
            training.span_of("data"),
            hint=f"name data that fit: --data {for_line(named[0])}"
            + ("" if most is None else "; or embed more patterns: leave --examples out"),
        ) from None
    attribution = ""
    if found.name == EMBEDDED and shown.data.names:
        attribution = _DIGITS
    elif shown.data.names and found.name in DATA_SETS:
        attribution = _NOT_OURS.format(name=f"the data set {for_line(found.name)}")
        notes.append(
            f"the page carries the data set {for_line(found.name)}, which is not the project's to give away: "
            "keep the page for your own use"
        )
    of_set = bool(shown.data.names) and found.name in declared.names[:1]
    comparable = most is None and (of_set if declared.names else not replaced)
    from_file = options.initial is not None or training.initial_file is not None
    if weights is not None and trained_on not in ("", found.name):
        origin += f". They were not learned from {for_line(found.name)}, so expect more misses here"
    initial = start_weights(shown, seed, options, folder) if from_file else None
    return PageSubject(
        shown,
        ShownData(prepared, found.record, comparable, attribution),
        seed,
        texts,
        weights,
        initial,
        origin,
        tuple(notes),
    )


def _first_of_each(examples: Examples, most: int | None) -> Examples:
    """Return the first `most` patterns of each class in both splits; of others the first patterns, or sequences."""
    if most is None:
        return examples
    test = None if examples.test is None else _first_of_split(examples.test, most)
    return replace(examples, train=_first_of_split(examples.train, most), test=test)


def _first_of_split(split: Split, most: int) -> Split:
    if split.starts is not None:
        chosen = np.flatnonzero(np.cumsum(split.starts) <= most)
    elif split.labels is None:
        chosen = np.arange(min(most, len(split)))
    else:
        chosen = np.sort(np.concatenate([np.flatnonzero(split.labels == c)[:most] for c in np.unique(split.labels)]))
    return Split(
        split.inputs[chosen],
        None if split.labels is None else split.labels[chosen],
        None if split.targets is None else split.targets[chosen],
        starts=None if split.starts is None else split.starts[chosen],
    )
