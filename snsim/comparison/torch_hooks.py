"""Observe a PyTorch module while it computes: tensors that may be states of layers, and its dropout.

Both use a mode of `torch.overrides`, which sees every call of a torch function, so the module needs no change. Imports
torch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from snsim.errors import Span, fail
from snsim.network.net import Layer
from snsim.training.spec import Training

_UNSUPPORTED = {
    functional.alpha_dropout: "alpha_dropout",
    functional.feature_alpha_dropout: "feature_alpha_dropout",
    functional.dropout1d: "dropout1d",
    functional.dropout2d: "dropout2d",
    functional.dropout3d: "dropout3d",
    torch.dropout: "torch.dropout",
}


@dataclass(frozen=True)
class DropoutLayer:
    """A layer whose states are dropped with probability `chance`. `place`: where the training says so."""

    layer: str
    units: int
    chance: float
    is_input: bool
    place: Span | None = None
    order: np.ndarray | None = None  # of the module: our unit for each of its units, where the orders differ

    def gate(self, gates: Mapping[str, np.ndarray], dtype: torch.dtype, device: torch.device | None) -> Tensor | None:
        """Return the factors of its states, (patterns, units); None for the input, which is already multiplied."""
        if self.is_input:
            return None
        gate = gates[self.layer] if self.order is None else gates[self.layer][:, self.order]
        return torch.from_numpy(np.array(gate)).to(device, dtype)


def dropout_layers(training: Training) -> list[DropoutLayer]:
    """Return the layers with dropout in the training's first stage, in order of computation."""
    chances = dict(training.stages[0].dropout)
    place = training.span_of("dropout", "stage", "repeat")
    return [
        DropoutLayer(layer.name, layer.units, chances[layer.name], layer.is_input, place)
        for layer in training.net.layers
        if chances.get(layer.name)  # a probability of 0 drops nothing, and a module need not call it
    ]


def order_of_units(ours: np.ndarray, theirs: np.ndarray, shape: tuple[int, ...], layer: Layer) -> np.ndarray | None:
    """Return our unit for each unit of a tensor of a module, by the arrangement whose states are closest to ours.

    `ours` and `theirs` are (patterns, units), `shape` is that of one pattern of theirs. None: the order is ours. In
    another order are the states of a transformer, (patterns, tokens, features), and of a module with its maps last.
    """
    units = np.arange(layer.units).reshape(layer.maps or (layer.units,))
    arrangements = [units.transpose(axes) for axes in permutations(range(units.ndim))]
    fitting = [a for a in arrangements if _is_regrouped(shape, a.shape)]
    distances = [float(np.abs(ours[:, a.reshape(-1)] - theirs).max(initial=0.0)) for a in fitting]
    if not fitting:
        return None
    best: np.ndarray = fitting[int(np.argmin(distances))].reshape(-1)
    return None if np.array_equal(best, np.arange(layer.units)) else best


def _is_regrouped(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Tell whether two shapes are equal where neighbouring axes may be one: (4, 4, 24) and (16, 24)."""
    ends = [{int(np.prod(shape[:k])) for k in range(len(shape) + 1)} for shape in (one, other)]
    return ends[0] <= ends[1] or ends[1] <= ends[0]


class DropoutOverride(TorchFunctionMode):
    """Replaces the dropout that a module calls by given gates: the k-th call belongs to the k-th of `drops`.

    `gates` has one for each of them, None to let the states through. Without `gates` nothing is dropped: the module is
    evaluated. `dropped` has the layers that it would drop then all the same. A dropout of probability 0 does not count.
    Raises SnError if a call drops another number of units, has another probability, is switched off while the module
    learns, or is one too many. `check` finds calls that are missing.
    """

    def __init__(self, training: str, drops: Sequence[DropoutLayer], gates: Sequence[Tensor | None] | None = None):
        super().__init__()
        self._training, self._drops, self._gates, self._called = training, drops, gates, 0
        self.dropped: list[str] = []
        self.received: list[Tensor] = []  # what each call would have dropped from

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is functional.dropout:
            return self._apply_dropout(*args, **(kwargs or {}))
        if func in _UNSUPPORTED:
            raise fail(
                f"the module calls {_UNSUPPORTED[func]}, but only nn.Dropout and functional.dropout can use the "
                "gates of a training",
                hint="write nn.Dropout(P) in the module, which drops single units",
            )
        return func(*args, **(kwargs or {}))

    def _apply_dropout(self, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if p == 0:
            return x
        if self._called == len(self._drops):
            layers = ", ".join(drop.layer for drop in self._drops) or "none"
            raise fail(
                f"call {self._called + 1} of dropout in the module, with p = {p:g}, matches no layer; layers "
                f"with dropout in training {self._training}: {layers}",
                hint="add (dropout P LAYER) to the training, or remove the dropout from the module",
            )
        drop, number = self._drops[self._called], self._called
        self._called += 1
        units = x.numel() // len(x) if x.dim() else 1
        if units != drop.units or p != drop.chance:
            raise fail(
                f"call {self._called} of dropout in the module has p = {p:g} and {units} units, but training "
                f"{self._training} has {drop.chance:g} for the {drop.units} units of layer {drop.layer}",
                drop.place,
                hint=f"write nn.Dropout({drop.chance:g}) there; dropout is matched in the order of its calls",
            )
        if self._gates is None:
            self.received.append(x.detach().clone())
            self.dropped += [drop.layer] if training else []
            return x
        if not training:
            raise fail(
                f"call {self._called} of dropout in the module is switched off while the module learns, but training "
                f"{self._training} drops states of layer {drop.layer}",
                drop.place,
                hint="pass self.training, as in F.dropout(x, p, self.training), and leave the module in training mode",
            )
        gate = self._gates[number]
        return x if gate is None else x * gate.reshape(x.shape)

    def check(self) -> None:
        """Raise SnError if the module did not drop every layer that the training drops."""
        if self._called < len(self._drops):
            drop = self._drops[self._called]
            raise fail(
                f"training {self._training} drops states of layer {drop.layer} with probability "
                f"{drop.chance:g}, but the module calls dropout {self._called} times",
                drop.place,
                hint=f"put nn.Dropout({drop.chance:g}) after that layer; masks drawn by hand are not recognised",
            )


class TensorRecorder(DropoutOverride):
    """Drops nothing, and keeps a copy of every computed tensor of certain sizes.

    The states of layers are among them, even where a module has no submodule for a layer.
    """

    def __init__(self, training: str, drops: Sequence[DropoutLayer], sizes: Collection[int]):
        super().__init__(training, drops)
        self._sizes = set(sizes)
        self.tensors: list[Tensor] = []

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = super().__torch_function__(func, types, args, kwargs)
        for part in result if isinstance(result, (tuple, list)) else (result,):  # chunk and split return several
            if isinstance(part, Tensor) and part.is_floating_point() and part.numel() in self._sizes:
                self.tensors.append(part.detach().clone())
        return result
