"""Write a net and its training as one page of plain PyTorch, and what the page reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from snsim.export import page_parts as parts
from snsim.export.page_data import KINDS, draw_arrays, fan_in_arrays, left_to_torch, pattern_arrays
from snsim.export.page_names import plain
from snsim.export.page_net import NetWriter
from snsim.export.page_training import figures_of_a_page, training_text
from snsim.export.subject import Subject


@dataclass(frozen=True, eq=False)
class TorchPage:
    """A page of PyTorch, and the arrays that it reads.

    `names` are the page's names of the parameters by snsim's. `left_out` says why the page does not train; None if it
    does. `notes` are sentences about what differs from a run.
    """

    text: str
    names: Mapping[str, str]
    left_out: str | None
    notes: tuple[str, ...] = ()
    data: Mapping[str, np.ndarray] = field(default_factory=dict)


def torch_page(subject: Subject, stem: str) -> TorchPage:
    """Return the page; `stem` is the name of its file without `.py`. SnError if the net is too irregular for a page."""
    left_out = _why_not_trained(subject)
    training = None if left_out else subject.training
    writer = NetWriter(subject.plan, training, subject.dtype)
    body = writer.net_class(training)
    stem = plain(stem)
    head = [f'"""{plain(subject.name)}, from {plain(subject.origin)}: plain PyTorch, written by snsim.', ""]
    data: dict[str, np.ndarray] = {}
    train: list[str] = []
    notes: tuple[str, ...] = ()
    if training is not None:
        assert subject.data is not None and subject.start is not None
        data = pattern_arrays(subject.data, subject.dtype) | fan_in_arrays(training, writer)
        data |= draw_arrays(training, subject.data.train, subject.seed, subject.dtype, writer.modules)
        data |= {f"start.{writer.names[name]}": values for name, values in subject.start.items()}
        train = training_text(training, subject.data, subject.dtype, writer, data)
        notes = _notes(subject)
        head += [
            f"`python {stem}.py` trains it: patterns and initial weights are in {stem}-data.pt. "
            f"`python {stem}.py 1` makes one pass."
        ]
        head += [f"Note: {note}." for note in notes]
    elif subject.training is not None:
        head += [f"This page does not train: {plain(left_out or '')}."]
    if subject.trained:
        head += [f'Trained weights: `net.load_state_dict(torch.load("{stem}.pt", weights_only=True))`.']
    elif training is None:
        head += [f'Its weights: `net.load_state_dict(torch.load("{stem}.pt", weights_only=True))`.']
    head += ['"""', ""]
    imports = ["import sys", ""] if train else []
    imports += ["import torch", "from torch import nn"]
    pieces = [*writer.functions(), *writer.classes(), body]
    text = "\n".join(piece.strip("\n") + "\n\n" for piece in pieces) + "\n" + "\n".join(train)
    if "F." in text:
        imports.append("from torch.nn import functional as F")
    return TorchPage("\n".join([*head, *imports, "", "", text]).rstrip() + "\n", writer.names, left_out, notes, data)


def _why_not_trained(subject: Subject) -> str | None:
    """Return why the page has no training; None if it has one."""
    training = subject.training
    if training is None:
        return "the net has no training"
    if subject.data is None:
        return "its data were not found"
    if subject.start is None:
        return "the file of its initial weights was not found"
    if subject.net.delayed and any(stage.rule.curvature or stage.prune for stage in training.stages):
        return "second derivatives of a net with delays are not written in PyTorch"
    if subject.net.delayed and left_to_torch(training, len(subject.data.train)):
        return "what it draws for all passes would take more than 120 MB"
    if training.criterion[0] not in parts.CRITERIA:
        return f"(correct {training.criterion[0]}) is of a plug-in, which is not written in PyTorch"
    return None


def _notes(subject: Subject) -> tuple[str, ...]:
    """Return what a page does otherwise than a run."""
    assert subject.training is not None and subject.data is not None
    notes = [
        f"PyTorch draws {KINDS[kind]}, so the misses differ from those of a run as they do between two seeds"
        for kind in left_to_torch(subject.training, len(subject.data.train))
    ]
    keep = subject.training.keep
    if keep is not None and keep not in figures_of_a_page():
        notes.append(f"the page does not compute {keep}, so it makes every pass and keeps the last weights")
    return tuple(notes)
