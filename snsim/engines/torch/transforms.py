"""`normalize`, `attend` and `max-mask` as torch modules, and their diagonal second derivatives.

The second derivatives come from automatic differentiation. That is right for any such module, and slow: it takes as
many backward passes as the layer has units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from snsim.network.wiring import Attention, MaxPooling, Normalization


class MapNormalization(nn.Module):
    """The module of `normalize`: from the states of the source, (patterns, units), to sums of this shape."""

    def __init__(self, structure: Normalization):
        super().__init__()
        self.shape, self.epsilon = (structure.maps, structure.positions), structure.EPSILON

    def extra_repr(self) -> str:
        return f"{self.shape[1]} positions over {self.shape[0]} maps"

    def forward(self, x: Tensor) -> Tensor:
        maps = x.reshape(-1, *self.shape)
        centred = maps - maps.mean(1, keepdim=True)
        return (centred / torch.sqrt((centred * centred).mean(1, keepdim=True) + self.epsilon)).flatten(1)


class DotProductAttention(nn.Module):
    """The module of `attend`: from the states of queries, keys and values to sums, each (patterns, units)."""

    def __init__(self, structure: Attention):
        super().__init__()
        self.shape = structure.heads, structure.size, structure.positions

    def extra_repr(self) -> str:
        return f"{self.shape[2]} positions, {self.shape[0]} heads of {self.shape[1]} maps"

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (x.reshape(-1, *self.shape) for x in (q, k, v))
        weights = torch.softmax(q.transpose(2, 3) @ k / sqrt(self.shape[1]), -1)
        return (v @ weights.transpose(2, 3)).flatten(1)


class WindowMaximum(nn.Module):
    """The module of `max-mask`: from the states of the source, (patterns, units), to sums, (patterns, units)."""

    def __init__(self, structure: MaxPooling):
        super().__init__()
        self.shape, self.window, self.step = structure.source, structure.window, structure.step

    def extra_repr(self) -> str:
        return f"windows of {self.window[0]}x{self.window[1]}, step {self.step[0]} {self.step[1]}"

    def forward(self, x: Tensor) -> Tensor:
        return functional.max_pool2d(x.reshape(-1, *self.shape), self.window, self.step).flatten(1)


def transform(structure: Normalization | Attention | MaxPooling) -> nn.Module:
    """Return the module of a structure."""
    if isinstance(structure, MaxPooling):
        return WindowMaximum(structure)
    return MapNormalization(structure) if isinstance(structure, Normalization) else DotProductAttention(structure)


def second_derivatives_back(module: nn.Module, states: Sequence[Tensor], h: Tensor, g: Tensor | None) -> list[Tensor]:
    """Return, for each source, sum_j h_j (dn_j/dx_i)^2 over the results n_j, plus sum_j g_j d2n_j/dx_i2 with g.

    states: of each source; h and g: at the sums. Arguments and results are (patterns, units).
    """
    if isinstance(module, WindowMaximum):  # every slope is 0 or 1, and constant
        with torch.enable_grad():
            x = states[0].detach().requires_grad_()
            return list(torch.autograd.grad(module(x), x, h))
    by_source = [torch.zeros_like(x) for x in states]
    for pattern in range(len(h)):
        xs = tuple(x[pattern] for x in states)
        for k in range(len(xs)):
            results = _of_source(module, xs, k)
            slopes = torch.func.jacrev(results)(xs[k])
            by_source[k][pattern] = h[pattern] @ (slopes * slopes)
            if g is not None:
                hessian = torch.func.hessian(lambda x, f=results, g=g[pattern]: (g * f(x)).sum())(xs[k])
                by_source[k][pattern] += hessian.diagonal()
    return by_source


def _of_source(module: nn.Module, xs: tuple[Tensor, ...], k: int) -> Callable[[Tensor], Tensor]:
    """Return the results for one pattern as a function of source k, with the other sources constant."""
    return lambda x: module(*(x[None] if i == k else other[None] for i, other in enumerate(xs)))[0]
