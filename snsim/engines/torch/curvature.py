"""Diagonal second derivatives with torch: the recursion of the reference engine, all patterns of a batch at once.

What a connection does on the second way back is what it does on the first with everything squared: with q = x^2 (the
border too), v = w^2 and the squared scale, the sums S = sum of scale^2 * v * q are linear in q and in v, and with h of
the targets as slopes at S

    dS/dq gives s_i = sum over outgoing connections of (scale * w)^2 * h_j
    dS/dv gives h_w = sum over the connections of w of scale^2 * h_j * x_i^2

which is one step of autograd through a copy of the connection, whatever its scheme.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor

from snsim.engines.plan import Link, Plan
from snsim.engines.protocol import Cost
from snsim.engines.torch.module import SnModule
from snsim.engines.torch.operations import TORCH
from snsim.engines.torch.transforms import passed_back
from snsim.engines.weight_norm import WeightNorm
from snsim.network.expressions import compile_expressions

Gates = Mapping[int, Tensor]


class Curvature:
    """The second way back through a module. `kinds` are "gauss-newton" and "full", as in `Engine.curvature`."""

    def __init__(self, plan: Plan, cost: Cost, module: SnModule):
        self.plan, self.cost, self._module = plan, cost, module
        self._squared = {}
        for stage in plan.stages:
            for link in stage.links:
                copy = deepcopy(module.connection(link.slot))
                copy.scale, copy.border_value, copy.gain = copy.scale**2, copy.border_value**2, None
                self._squared[link.slot] = copy
        self._slopes = {stage.layer: compile_expressions([stage.df, stage.ddf]).bind(TORCH) for stage in plan.stages}
        self._bend_of_cost = None if cost.dde is None else compile_expressions([cost.dde]).bind(TORCH)

    def __call__(
        self,
        states: list[Tensor],
        sums: list[Tensor],
        slopes: Sequence[Tensor | None],
        d: Tensor,
        kind: str,
        gates: Gates,
    ) -> dict[str, Tensor]:
        """Per parameter that learns h (or h-full) summed over the patterns.

        states: of every layer; sums and slopes (dE/dx): of every layer but the input, None where nothing learns in
        it or below. All (patterns, units), as they were on the way forward and back; gates as they were given.
        """
        arrived: dict[int, Tensor] = {len(self.plan.stages): self._at_outputs(states[-1].detach(), d)}
        made: dict[str, Tensor] = {}
        for stage, a, slope in zip(reversed(self.plan.stages), reversed(sums), reversed(slopes)):
            if stage.layer not in arrived or slope is None:
                continue
            h = self._through_nlf(stage.layer, a.detach(), arrived[stage.layer], slope, kind, gates)
            if stage.bias is not None and self.plan.parameters[stage.bias].learns:
                summed = h.new_zeros(self.plan.parameters[stage.bias].size)
                made[stage.bias] = summed.index_add(0, torch.from_numpy(np.array(stage.bias_index)), h.sum(0))
            for link in stage.links:
                back, for_weights = self._through_connection(link.slot, states[link.source].detach(), h)
                made[link.slot] = for_weights
                if link.gain is not None:
                    g = self._at_sums(stage.layer, a.detach(), slope, gates) if kind == "full" else None
                    x = states[link.source].detach()
                    made[link.slot], made[link.gain] = self._of_parts(link, x, for_weights, g)
                if link.source:
                    arrived[link.source] = back + arrived[link.source] if link.source in arrived else back
            for transfer in stage.transfers:
                g = self._at_sums(stage.layer, a.detach(), slope, gates) if kind == "full" else None
                xs = [states[source].detach() for source in transfer.sources]
                for source, back in zip(
                    transfer.sources, passed_back(self._module.transform(transfer.transform.name), xs, h, g)
                ):
                    arrived[source] = back + arrived[source] if source in arrived else back
        return {name: made[name] for name, p in self.plan.parameters.items() if p.learns and name in made}

    def _at_outputs(self, x: Tensor, d: Tensor) -> Tensor:
        """d2E/dx2, one number an output."""
        if self._bend_of_cost is None:
            p = torch.softmax(x, 1)
            return p * (1 - p) * d.sum(1, keepdim=True)
        bend = self._bend_of_cost({"x": x, "d": d, "n": float(x.shape[1])})[0]
        return bend.expand(x.shape) if isinstance(bend, Tensor) else torch.full_like(x, bend)

    def _through_nlf(self, layer: int, a: Tensor, s: Tensor, y: Tensor, kind: str, gates: Gates) -> Tensor:
        df, ddf = self._slopes[layer]({"x": a})
        if layer in gates:  # a gated unit has the nlf gate * f
            df, ddf = df * gates[layer], ddf * gates[layer]
        h: Tensor = s * (df * df)
        if kind == "full":
            h = h + y * ddf
        return h

    def _at_sums(self, layer: int, a: Tensor, y: Tensor, gates: Gates) -> Tensor:
        """dE/da."""
        g: Tensor = y * self._slopes[layer]({"x": a})[0]
        return g * gates[layer] if layer in gates else g

    def _through_connection(self, slot: str, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """(sum of (scale w)^2 h for each source unit, sum of scale^2 h x^2 for each weight, flat)."""
        squared, weight = self._squared[slot], self._module.connection(slot).used().detach()
        q, v = (x * x).requires_grad_(), (weight * weight).requires_grad_()
        with torch.enable_grad():
            total = torch.func.functional_call(squared, {"weight": v}, (q,))
        back, for_weights = torch.autograd.grad(total, (q, v), h)
        return back, for_weights.reshape(-1)

    def _of_parts(self, link: Link, x: Tensor, h: Tensor, g: Tensor | None) -> tuple[Tensor, Tensor]:
        """From h of the weights that weight-norm gives to that of their parameters; g: dE/da, for the full one."""
        made = self._module.connection(link.slot)
        assert made.gain is not None  # as link.gain
        v, gain = made.weight.detach().reshape(-1).numpy(), made.gain.detach().numpy()
        slopes = None
        if g is not None:
            plain, w = deepcopy(made), made.used().detach().requires_grad_()
            plain.gain = None
            with torch.enable_grad():
                total = torch.func.functional_call(plain, {"weight": w}, (x,))
            slopes = torch.autograd.grad(total, w, g)[0].reshape(-1).numpy()
        parts = WeightNorm(link.connection.wiring.owners(), len(gain)).curvature(v, gain, h.numpy(), slopes)
        return torch.from_numpy(parts[0]), torch.from_numpy(parts[1])
