"""Diagonal second derivatives with torch: the second backward pass of the reference engine, for a whole batch.

A connection does on the second backward pass what it does on the first, with everything squared. With q = x^2 (the
border too), v = w^2 and the squared scale, the sums S = sum of scale^2 * v * q are linear in q and in v. With h of the
targets as slopes at S

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
from snsim.engines.torch.module import DistanceConnection, SnModule
from snsim.engines.torch.operations import TORCH
from snsim.engines.torch.transforms import second_derivatives_back
from snsim.engines.weight_norm import WeightNorm
from snsim.network.expressions import compile_expressions

Gates = Mapping[int, Tensor]


def with_rubbish(x: Tensor, rubbish: float | None) -> Tensor:
    """Return the outputs (patterns, units), and with `rubbish` one more class after them, which has that output."""
    return x if rubbish is None else torch.cat([x, torch.full_like(x[:, :1], rubbish)], 1)


class Curvature:
    """The second backward pass through a module. Kinds are "gauss-newton" and "full", as in `Engine.curvature`."""

    def __init__(self, plan: Plan, cost: Cost, module: SnModule):
        self.plan, self.cost, self._module = plan, cost, module
        self._squared = {}
        for stage in plan.stages:
            for link in stage.links:
                if link.connection.weights_of is not None or link.distance:
                    continue
                copy = deepcopy(module.connection(link.slot))
                copy.scale, copy.border_value, copy.gain = copy.scale**2, copy.border_value**2, None
                self._squared[link.slot] = copy
        self._slopes = {stage.layer: compile_expressions([stage.df, stage.ddf]).bind(TORCH) for stage in plan.stages}
        self._rubbish = cost.rubbish
        self._cost_second = None if cost.dde is None else compile_expressions([cost.dde]).bind(TORCH)

    def __call__(
        self,
        states: list[Tensor],
        sums: list[Tensor],
        slopes: Sequence[Tensor | None],
        d: Tensor,
        kind: str,
        gates: Gates,
    ) -> dict[str, Tensor]:
        """Return h (or h-full) summed over the patterns, for each parameter that learns.

        states: of every layer. sums and slopes (dE/dx): of every computed layer; a slope is None where nothing
        learns in the layer or below. All are (patterns, units), from the forward and backward pass with the same gates.
        """
        arrived: dict[int, Tensor] = {len(states) - 1: self._at_outputs(states[-1].detach(), d)}
        curvatures: dict[str, Tensor] = {}
        for stage, a, slope in zip(reversed(self.plan.stages), reversed(sums), reversed(slopes)):
            if stage.layer not in arrived or slope is None:
                continue
            h = self._through_nlf(stage.layer, a.detach(), arrived[stage.layer], slope, kind, gates)
            if stage.bias is not None and self.plan.parameters[stage.bias].learns:
                summed = h.new_zeros(self.plan.parameters[stage.bias].size)
                curvatures[stage.bias] = summed.index_add(
                    0, torch.from_numpy(np.array(stage.bias_index)).to(h.device), h.sum(0)
                )
            for link in stage.links:
                connection = self._module.connection(link.slot)
                if isinstance(connection, DistanceConnection):
                    g = self._at_sums(stage.layer, a.detach(), slope, gates) if kind == "full" else None
                    back, for_weights = connection.second_derivatives(states[link.source].detach(), h, g)
                else:
                    back, for_weights = self._through_connection(link.slot, states[link.source].detach(), h)
                parts = {link.slot: for_weights}
                if link.gain is not None:
                    g = self._at_sums(stage.layer, a.detach(), slope, gates) if kind == "full" else None
                    x = states[link.source].detach()
                    parts[link.slot], parts[link.gain] = self._to_parameters(link, x, for_weights, g)
                for name, part in parts.items():  # connections with the same weights add up
                    curvatures[name] = curvatures[name] + part if name in curvatures else part
                if not self.plan.is_input(link.source):
                    arrived[link.source] = back + arrived[link.source] if link.source in arrived else back
            for transfer in stage.transfers:
                g = self._at_sums(stage.layer, a.detach(), slope, gates) if kind == "full" else None
                xs = [states[source].detach() for source in transfer.sources]
                for source, back in zip(
                    transfer.sources, second_derivatives_back(self._module.transform(transfer.transform.name), xs, h, g)
                ):
                    arrived[source] = back + arrived[source] if source in arrived else back
        return {name: curvatures[name] for name, p in self.plan.parameters.items() if p.learns and name in curvatures}

    def _at_outputs(self, x: Tensor, d: Tensor) -> Tensor:
        """Return d2E/dx2, one number for each output."""
        if self._cost_second is None:
            p = torch.softmax(with_rubbish(x, self._rubbish), 1)[:, : x.shape[1]]
            return p * (1 - p) * d.sum(1, keepdim=True)
        bend = self._cost_second({"x": x, "d": d, "n": float(x.shape[1])})[0]
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
        """Return dE/da."""
        g: Tensor = y * self._slopes[layer]({"x": a})[0]
        return g * gates[layer] if layer in gates else g

    def _through_connection(self, slot: str, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of (scale w)^2 h for each source unit, and of scale^2 h x^2 for each weight (flat)."""
        squared, weight = self._squared[slot], self._module.connection(slot).effective_weight().detach()

        def sums(q: Tensor, v: Tensor) -> Tensor:
            total: Tensor = torch.func.functional_call(squared, {"weight": v}, (q,))
            return total

        back, for_weights = torch.func.vjp(sums, x * x, weight * weight)[1](h)
        return back, for_weights.reshape(-1)

    def _to_parameters(self, link: Link, x: Tensor, h: Tensor, g: Tensor | None) -> tuple[Tensor, Tensor]:
        """Convert h of normalised weights to h of their parameters v and gain.

        g is dE/da for the full curvature, None for Gauss-Newton.
        """
        connection = self._module.connection(link.slot)
        assert connection.gain is not None  # as link.gain
        v, gain = connection.weight.detach().reshape(-1).cpu().numpy(), connection.gain.detach().cpu().numpy()
        slopes = None
        if g is not None:
            plain, w = deepcopy(connection), connection.effective_weight().detach().requires_grad_()
            plain.gain = None
            with torch.enable_grad():
                total = torch.func.functional_call(plain, {"weight": w}, (x,))
            slopes = torch.autograd.grad(total, w, g)[0].reshape(-1).cpu().numpy()
        parts = WeightNorm(link.connection.wiring.owners(), len(gain)).curvature(v, gain, h.cpu().numpy(), slopes)
        return torch.from_numpy(parts[0]).to(x.device), torch.from_numpy(parts[1]).to(x.device)
