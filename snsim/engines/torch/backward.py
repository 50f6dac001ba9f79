"""The backward passes through a module: gradients by autograd, and diagonal second derivatives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from snsim.engines.plan import Plan
from snsim.engines.protocol import Cost, UpdateRule
from snsim.engines.torch.curvature import Curvature, Gates, with_rubbish
from snsim.engines.torch.module import SnModule
from snsim.engines.torch.operations import TORCH
from snsim.network.expressions import compile_expressions

NONE: Gates = MappingProxyType({})
TOGETHER = 1024  # patterns computed at once
CURVATURES = {"h": "gauss-newton", "h-full": "full"}  # variable of an update rule -> kind


def curvature_kinds(rule: UpdateRule) -> list[tuple[str, str]]:
    """Return the curvatures that a rule uses: the variable of each, and its kind."""
    return [(name, kind) for name, kind in CURVATURES.items() if name in rule.mentions]


@contextmanager
def threads(wanted: int | None) -> Iterator[None]:
    """Run with this many threads inside torch, then restore the old number; None changes nothing.

    For one pattern at a time a second thread is never faster, and on a busy machine waiting for it is much slower.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(wanted or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class BackwardPass:
    """Forward, backward and curvature pass of a module, for the parameters of its plan that learn, in order."""

    def __init__(self, plan: Plan, cost: Cost, module: SnModule):
        self._module = module
        self._inputs = len(plan.inputs)
        self._by_name = {p.name: module.get_parameter(p.name) for p in plan.parameters.values() if p.learns}
        self._learning = list(self._by_name.values())
        first = next(module.parameters(), torch.zeros(()))
        self._dtype = np.dtype(str(first.dtype).removeprefix("torch."))
        self._rubbish = cost.rubbish
        self._e = None if cost.e is None else compile_expressions([cost.e]).bind(TORCH)
        self._curvature = Curvature(plan, cost, module)

    def __call__(
        self,
        x: Tensor,
        d: Tensor,
        kinds: Sequence[tuple[str, str]],
        divisor: float = 1.0,
        gates: Gates = NONE,
        noises: Gates = NONE,
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return g and, by variable, the curvatures: summed over the patterns and divided by `divisor`."""
        states, sums = self._module._states_and_sums(x, gates, noises, bool(kinds))
        cost = self.summed_cost(states[-1], d) / divisor
        computed = states[self._inputs :]
        layers = [state for state in computed if kinds and state.requires_grad]
        slopes = torch.autograd.grad(cost, [*self._learning, *layers], allow_unused=True, materialize_grads=True)
        g = torch.cat([slope.reshape(-1) for slope in slopes[: len(self._learning)]]).cpu().numpy()
        if not kinds:
            return g, {}
        of_layers = iter(slopes[len(self._learning) :])
        state_slopes = [next(of_layers) * divisor if state.requires_grad else None for state in computed]
        curvatures = {}
        for name, kind in kinds:
            by_parameter = self._curvature(states, sums, state_slopes, d, kind, gates)
            h = [
                by_parameter[slot].cpu().numpy() if slot in by_parameter else np.zeros(parameter.numel(), self._dtype)
                for slot, parameter in self._by_name.items()
            ]
            curvatures[name] = np.concatenate(h) / self._dtype.type(divisor)
        return g, curvatures

    def mean_curvature(self, x: Tensor, d: Tensor, kind: str) -> np.ndarray:
        """Return the curvature of each weight, "gauss-newton" or "full", as a mean over the patterns.

        It is one flat vector with an entry for each weight that learns.
        """
        pieces = [self(*piece, [("h", kind)])[1]["h"] for piece in zip(x.split(TOGETHER), d.split(TOGETHER))]
        mean: np.ndarray = sum(pieces[1:], pieces[0]) / self._dtype.type(len(x))
        return mean

    def summed_cost(self, x: Tensor, d: Tensor) -> Tensor:
        """Return the cost E summed over the patterns."""
        if self._e is None:
            return coupled_cost(x, d, self._rubbish)
        summed: Tensor = self._e({"x": x, "d": d, "n": float(x.shape[1])})[0].sum()
        return summed


def coupled_cost(x: Tensor, d: Tensor, rubbish: float | None) -> Tensor:
    """Return cross-entropy summed over the patterns; with `rubbish` there is one more class, with that output."""
    return -(d * torch.log_softmax(with_rubbish(x, rubbish), 1)[:, : x.shape[1]]).sum()
