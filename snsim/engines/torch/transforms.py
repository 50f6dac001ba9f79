"""`normalize` and `attend` with torch: modules from the states of their sources to sums, and what they pass back of
second derivatives, by automatic differentiation: right for any such module, and slow (units of a layer times as long
as a way back).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt

import torch
from torch import Tensor, nn

from snsim.network.wiring import Attention, Normalization


class Normalize(nn.Module):
    """States of the source, (patterns, units), to sums, (patterns, units)."""

    def __init__(self, structure: Normalization):
        super().__init__()
        self.shape, self.epsilon = (structure.maps, structure.positions), structure.EPSILON

    def extra_repr(self) -> str:
        return f"{self.shape[1]} positions over {self.shape[0]} maps"

    def forward(self, x: Tensor) -> Tensor:
        maps = x.reshape(-1, *self.shape)
        centred = maps - maps.mean(1, keepdim=True)
        return (centred / torch.sqrt((centred * centred).mean(1, keepdim=True) + self.epsilon)).flatten(1)


class Attend(nn.Module):
    """States of queries, keys and values, each (patterns, units), to sums, (patterns, units)."""

    def __init__(self, structure: Attention):
        super().__init__()
        self.shape = structure.heads, structure.size, structure.positions

    def extra_repr(self) -> str:
        return f"{self.shape[2]} positions, {self.shape[0]} heads of {self.shape[1]} maps"

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (x.reshape(-1, *self.shape) for x in (q, k, v))
        weights = torch.softmax(q.transpose(2, 3) @ k / sqrt(self.shape[1]), -1)
        return (v @ weights.transpose(2, 3)).flatten(1)


def transform(structure: Normalization | Attention) -> nn.Module:
    """The module of a structure."""
    return Normalize(structure) if isinstance(structure, Normalization) else Attend(structure)


def second_derivatives_back(module: nn.Module, states: Sequence[Tensor], h: Tensor, g: Tensor | None) -> list[Tensor]:
    """For each source sum h_j (dn_j/dx_i)^2 over the results n and, if g is given, sum g_j d2n_j/dx_i2 with it.

    states: of each source; h and g: at the sums; all (patterns, units), as what is given back.
    """
    made = [torch.zeros_like(x) for x in states]
    for pattern in range(len(h)):
        xs = tuple(x[pattern] for x in states)
        for k in range(len(xs)):
            results = _of_source(module, xs, k)
            slopes = torch.func.jacrev(results)(xs[k])
            made[k][pattern] = h[pattern] @ (slopes * slopes)
            if g is not None:
                bends = torch.func.hessian(lambda x, f=results, g=g[pattern]: (g * f(x)).sum())(xs[k])
                made[k][pattern] += bends.diagonal()
    return made


def _of_source(module: nn.Module, xs: tuple[Tensor, ...], k: int) -> Callable[[Tensor], Tensor]:
    """The results for one pattern as a function of one source, the others held."""
    return lambda x: module(*(x[None] if i == k else other[None] for i, other in enumerate(xs)))[0]
