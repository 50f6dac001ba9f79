"""The operations of expressions on torch tensors; for those on NumPy arrays see `snsim.network.operations`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from snsim.network.operations import LARGEST_EXPONENT, NUMPY


def _tensor(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the operation on tensors, which stays the one of NumPy if all arguments are plain numbers."""

    def call(*args: Any) -> Any:
        return function(*args) if any(isinstance(a, Tensor) for a in args) else NUMPY[name](*args)

    return call


def _truth(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a comparison whose result is 1 and 0 of the type of its arguments."""

    def call(*args: Any) -> Tensor:
        like = next(a for a in args if isinstance(a, Tensor))
        return function(*(torch.as_tensor(a, dtype=like.dtype, device=like.device) for a in args)).to(like.dtype)

    return call


def _where(condition: Any, a: Any, b: Any) -> Any:
    if not isinstance(condition, Tensor):
        return a if condition != 0 else b
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):  # torch.where would round two numbers to float32
        a = torch.as_tensor(a, dtype=condition.dtype, device=condition.device)
    return torch.where(condition != 0, a, b)


def _exp(a: Tensor) -> Tensor:
    return torch.exp(a.clamp(max=LARGEST_EXPONENT[str(a.dtype).removeprefix("torch.")]))


_OF_TENSORS: dict[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "negate": lambda a: -a,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
    "sqrt": torch.sqrt,
    "exp": _exp,
    "log": torch.log,
    "tanh": torch.tanh,
    "abs": torch.abs,
    "sgn": torch.sign,
    "if": _where,
    # Of equal arguments the first, as the derivatives of expressions have it.
    "min": lambda a, b: torch.where(a <= b, a, b),
    "max": lambda a, b: torch.where(a >= b, a, b),
    "<": _truth(torch.lt),
    "<=": _truth(torch.le),
    ">": _truth(torch.gt),
    ">=": _truth(torch.ge),
    "=": _truth(torch.eq),
    "and": _truth(torch.logical_and),
    "or": _truth(torch.logical_or),
    "not": _truth(torch.logical_not),
}
TORCH: Mapping[str, Callable[..., Any]] = {name: _tensor(name, function) for name, function in _OF_TENSORS.items()}
