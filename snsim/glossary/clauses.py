"""What can stand inside the declarative words, gathered from the rooms that read it: clauses of net and train, options
of layer and connect."""

from __future__ import annotations

from dataclasses import dataclass

from snsim.network.net_form import CLAUSES as NET
from snsim.network.partial_net import CONNECT_OPTIONS, LAYER_OPTIONS
from snsim.registry import Shelf
from snsim.training.forms.train_form import CLAUSES as TRAIN


@dataclass(frozen=True)
class Described:
    """A clause or option: the form it stands in ("net", "layer", "connect" or "train"), its syntax, what it means."""

    name: str
    inside: str
    syntax: str
    doc: str


def _of(inside: str, shelf: Shelf[str]) -> tuple[Described, ...]:
    return tuple(Described(entry.name, inside, entry.value, entry.doc) for entry in shelf)


CLAUSES = (*_of("net", NET), *_of("layer", LAYER_OPTIONS), *_of("connect", CONNECT_OPTIONS), *_of("train", TRAIN))
