"""Gather the clauses of net and train and the options of layer, connect and the readers of data."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

from snsim.network.net_form import CLAUSES as NET
from snsim.network.partial_net import CONNECT_OPTIONS, LAYER_OPTIONS
from snsim.registry import Shelf
from snsim.training.forms.reader_clauses import OPTIONS
from snsim.training.forms.train_form import clauses_of_train
from snsim.training.initial import INITIALISERS


@dataclass(frozen=True)
class ClauseHelp:
    """The help of a clause or option: the form it belongs to, its syntax, its meaning.

    `inside` is "net", "layer", "connect", "train" or "data". `details` are further lines for `snsim help`.
    """

    name: str
    inside: str
    syntax: str
    doc: str
    details: str = ""


def clauses() -> tuple[ClauseHelp, ...]:
    """Return every clause and option, those of net first."""
    return (
        *_of("net", NET),
        *_of("layer", LAYER_OPTIONS),
        *_of("connect", CONNECT_OPTIONS),
        *_of("train", clauses_of_train()),
        *(ClauseHelp(entry.name, "data", entry.value.syntax, entry.doc) for entry in OPTIONS),
    )


def _of(inside: str, shelf: Shelf[str]) -> tuple[ClauseHelp, ...]:
    return tuple(
        ClauseHelp(entry.name, inside, entry.value, entry.doc, _details(inside, entry.name)) for entry in shelf
    )


def _details(inside: str, name: str) -> str:
    """Return the rest of the docstring of an initial distribution, after its help line."""
    entry = INITIALISERS.entry(name) if inside == "train" else None
    return "" if entry is None else (inspect.getdoc(entry.value) or "").removeprefix(entry.doc).strip()
