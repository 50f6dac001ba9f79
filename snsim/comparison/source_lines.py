"""Find the lines of a class that compute the states of each layer, and use or change each parameter. Imports torch."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from snsim.comparison.first_difference import ModuleLines, Place, closest
from snsim.comparison.match_parameters import ParameterMatch

_LIBRARIES = tuple(f"{folder}{os.sep}" for folder in (Path(torch.__file__).parent, Path(__file__).parents[1]))
_METHODS = ("cost", "configure_optimizers", "learn")


class LineRecorder(TorchFunctionMode):
    """Records for every call of a torch function the line of the user's file that it comes from.

    `tensors` are the results, with their places. `uses` and `changes` have the first place in which a parameter is an
    argument, and the first one in which it is changed in place, by our name.
    """

    def __init__(self, pairs: Sequence[ParameterMatch]):
        super().__init__()
        self._names = {id(tensor): pair.ours.name for pair in pairs for tensor in pair.theirs.tensors}
        self.tensors: list[tuple[Tensor, Place]] = []
        self.uses: dict[str, Place] = {}
        self.changes: dict[str, Place] = {}

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        place = _place(sys._getframe(1))
        if place is not None:
            if isinstance(result, Tensor) and result.is_floating_point():
                self.tensors.append((result.detach().clone(), place))
            for argument in _flat([*args, *(kwargs or {}).values()]):
                name = self._names.get(id(argument))
                if name is not None and _is_computation(func):
                    self.uses.setdefault(name, place)
            if args and _changes_its_first(func) and (name := self._names.get(id(args[0]))) is not None:
                self.changes.setdefault(name, place)
        return result


def find_lines(
    module: nn.Module,
    pairs: Sequence[ParameterMatch],
    states: Mapping[str, np.ndarray],
    forward: Callable[[], object],
    learn: Callable[[], object] | None,
) -> ModuleLines:
    """Return the lines of a module: `forward` and `learn` let it compute; `states` are ours, flat, by layer.

    The line of a layer's states is that of the closest tensor, if there is one that is near.
    """
    with torch.no_grad(), LineRecorder(pairs) as seen:
        forward()
    by_layer = {}
    for layer, ours in states.items():
        fitting = [
            (tensor.cpu().numpy().reshape(-1), place) for tensor, place in seen.tensors if tensor.numel() == ours.size
        ]
        if fitting:
            arrays = [array for array, _ in fitting]
            best = closest(ours, arrays)
            by_layer[layer] = next(place for array, place in fitting if array is best)
    changes: dict[str, Place] = {}
    if learn is not None:
        with LineRecorder(pairs) as stepping:
            learn()
        changes = stepping.changes
    methods = {name: place for name in _METHODS if (place := _place_of_method(module, name)) is not None}
    return ModuleLines(by_layer, seen.uses, changes, methods)


def _place(frame: FrameType | None) -> Place | None:
    """Return the line of the user's file: that of the innermost `forward`, else the innermost one of all.

    A function that `forward` calls, such as a non-linearity, may serve all layers.
    """
    innermost = None
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith((*_LIBRARIES, "<")):
            place = Place(file, frame.f_lineno)
            if frame.f_code.co_name == "forward":
                return place
            innermost = innermost or place
        elif file == __file__ and frame.f_code.co_name == find_lines.__name__:
            break
        frame = frame.f_back
    return innermost


def _place_of_method(module: nn.Module, name: str) -> Place | None:
    method: Any = getattr(module, name, None)
    while hasattr(method, "__wrapped__"):  # of a decorator such as torch.no_grad()
        method = method.__wrapped__
    code = getattr(method, "__code__", None)
    return None if code is None else Place(code.co_filename, code.co_firstlineno)


def _flat(arguments: Sequence[object]) -> Iterator[object]:
    for argument in arguments:
        if isinstance(argument, (list, tuple)):
            yield from argument
        else:
            yield argument


def _is_computation(func: Callable[..., Any]) -> bool:
    """Whether a function computes with a tensor: its shape and its like are looked at in other places too."""
    return getattr(func, "__name__", "") not in ("__get__", "size", "dim", "numel", "is_floating_point")


def _changes_its_first(func: Callable[..., Any]) -> bool:
    name = getattr(func, "__name__", "")
    is_operator = name.startswith("__i") and name.endswith("__")
    return is_operator or name == "__setitem__" or (name.endswith("_") and not name.endswith("__"))
