"""`normalize`, `attend` and `weight-norm` as torch's own functions compute them, with derivatives by autograd: an
oracle for tests."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from snsim.engines.plan import Link, Transfer
from snsim.network.wiring import Frames, MaxPooling, Normalization, Windows


def results(transfer: Transfer, *sources: Tensor) -> Tensor:
    """(patterns, units) from the states of the sources, each (patterns, units)."""
    s = transfer.structure
    if isinstance(s, Normalization):
        by_position = sources[0].reshape(-1, s.maps, s.positions).transpose(1, 2)
        return functional.layer_norm(by_position, (s.maps,), eps=1e-5).transpose(1, 2).flatten(1)
    if isinstance(s, MaxPooling):
        return functional.max_pool2d(sources[0].reshape(-1, *s.source), s.window, s.step).flatten(1)
    q, k, v = (x.reshape(-1, s.heads, s.maps // s.heads, s.positions).transpose(2, 3) for x in sources)
    return functional.scaled_dot_product_attention(q, k, v).transpose(2, 3).flatten(1)


def of_pattern(transfer: Transfer, states: list[np.ndarray]) -> np.ndarray:
    """(units,) from the states of all layers, each (units,)."""
    return results(transfer, *(torch.from_numpy(np.array(states[k]))[None] for k in transfer.sources))[0].numpy()


def passed_back(
    transfer: Transfer, states: list[np.ndarray], g: np.ndarray, h: np.ndarray, full: bool
) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """For each source its layer, sum g_j dn_j/dx_i and sum h_j (dn_j/dx_i)^2, if full + g_j d2n_j/dx_i2."""
    made = []
    xs = [torch.from_numpy(np.array(states[k])) for k in transfer.sources]
    g, h = torch.from_numpy(np.array(g)), torch.from_numpy(np.array(h))
    for k, layer in enumerate(transfer.sources):

        def of_one(x: Tensor, k: int = k) -> Tensor:
            return results(transfer, *(x[None] if i == k else other[None] for i, other in enumerate(xs)))[0]

        slopes = torch.autograd.functional.jacobian(of_one, xs[k], vectorize=True)
        second = h @ slopes**2
        if full:
            second = second + torch.func.hessian(lambda x, f=of_one: g @ f(x))(xs[k]).diagonal()
        made.append((layer, (g @ slopes).numpy(), second.numpy()))
    return made


def normed(link: Link, v: Tensor, gain: Tensor) -> Tensor:
    """The weights of a connection with weight-norm, flat: those of one target map (or unit) after the other."""
    target, frames = link.table.target, isinstance(link.structure, Frames)
    shared = isinstance(link.structure, Windows) and link.structure.sharing != "unit"
    owner = np.zeros(len(v), int)
    owner[link.table.weight] = (
        target % link.structure.target[1]
        if frames
        else target // (link.structure.target[1] * link.structure.target[2])
        if shared
        else target
    )
    owner = torch.from_numpy(np.unique(owner, return_inverse=True)[1].reshape(-1))
    return v * (gain / torch.zeros_like(gain).index_add(0, owner, v * v).sqrt())[owner]


def of_parts(
    link: Link, parts: dict[str, Tensor], g: np.ndarray, h: np.ndarray, full: bool
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """From g and h of the weights to those of v and the gains, by name."""
    first, second = {}, {}
    g, h = torch.from_numpy(g), torch.from_numpy(h)
    for name in parts:

        def of_one(x: Tensor, name: str = name) -> Tensor:
            return normed(link, **{**parts, name: x})

        slopes = torch.func.jacrev(of_one)(parts[name])
        first[name], second[name] = (g @ slopes).numpy(), (h @ slopes**2).numpy()
        if full:
            bends = torch.func.hessian(lambda x, f=of_one: g @ f(x))(parts[name])
            second[name] = second[name] + bends.diagonal().numpy()
    return first, second
