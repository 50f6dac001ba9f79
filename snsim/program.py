"""From one `.sn` text to what it declares: `read_program`, the way in for command line, prompt, notebook and Python.

Here, and only here, the Lisp meets the words of networks and of learning.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Mapping, TextIO

from snsim.errors import Fault, Source
from snsim.language.core import CORE
from snsim.language.evaluator import Interpreter, Word
from snsim.language.functions import Procedure, function
from snsim.language.limits import Limits
from snsim.language.loading import include, read_source
from snsim.learning import words as learning_words
from snsim.learning.words import TrainShelves
from snsim.network import words as network_words
from snsim.network.words import NetShelves
from snsim.shelf import Shelf

PRELUDES = ("snsim.network", "snsim.learning")  # packages with a prelude.sn, in the order in which they are read


@dataclass(frozen=True)
class Shelves:
    """Everything a program can name: what is built in, or that and what one program added."""

    networks: NetShelves
    trainings: TrainShelves
    words: Shelf[Word]
    functions: Shelf[Procedure]

    @property
    def nlfs(self) -> Shelf:
        return self.networks.nlfs

    @property
    def costs(self) -> Shelf:
        return self.trainings.costs

    @property
    def updates(self) -> Shelf:
        return self.trainings.updates

    def child(self) -> Shelves:
        """Shelves that see everything here and keep their own additions to themselves."""
        return _with_words(self.networks.child(), self.trainings.child(), self.functions)


@dataclass(frozen=True)
class Program:
    """What a text declared. `sources` are all texts that were read, the main one first."""

    sources: tuple[Source, ...]
    shelves: Shelves
    warnings: tuple[Fault, ...]

    @property
    def tables(self) -> Shelf:
        return self.shelves.networks.tables

    @property
    def nets(self) -> Shelf:
        return self.shelves.networks.nets

    @property
    def nlfs(self) -> Shelf:
        return self.shelves.nlfs

    @property
    def trainings(self) -> Shelf:
        return self.shelves.trainings.trainings

    @property
    def costs(self) -> Shelf:
        return self.shelves.costs

    @property
    def updates(self) -> Shelf:
        return self.shelves.updates


def read_program(text: str | Path | Source, *, presets: Mapping[str, float | str] | None = None,
                 port: TextIO | None = None, limits: Limits = Limits()) -> Program:
    """Evaluate a `.sn` file (or a text that was read already) and return what it declares.

    `presets` are the values of `--set`, taken by `defvar`; `port` is where the program prints (default: standard
    output). Raises SnError with every fault found.
    """
    source = text if isinstance(text, Source) else read_source(text, limits)
    own = shelves().child()
    interpreter = Interpreter(own.words, port, limits, presets, functions=own.functions)
    interpreter.run(source)
    return Program(tuple(interpreter.sources), own, tuple(interpreter.warnings))


@cache
def shelves() -> Shelves:
    """What is built in. It is a constant: programs add to children of it."""
    made = _with_words(NetShelves(), TrainShelves(), lisp_functions())
    for package in PRELUDES:
        text = resources.files(package).joinpath("prelude.sn").read_text(encoding="utf-8")
        Interpreter(made.words, io.StringIO(), functions=made.functions).run(Source(f"<{package}.prelude>", text))
    return made


@cache
def lisp_functions() -> Shelf[Procedure]:
    """The functions of the Lisp, with those that networks add."""
    functions = CORE.child()
    for name, (body, _) in network_words.lisp_functions().items():
        function(name, shelf=functions)(body)
    return functions


def _with_words(networks: NetShelves, trainings: TrainShelves, functions: Shelf[Procedure]) -> Shelves:
    words: Shelf[Word] = Shelf("declarative word")
    own = {**network_words.words(networks), **learning_words.words(trainings, networks), "include": include}
    for name, word in own.items():
        words.add(name, word, (word.__doc__ or "").strip().split("\n")[0])
    return Shelves(networks, trainings, words, functions)
