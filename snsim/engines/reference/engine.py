"""The reference engine, which defines the results: NumPy, explicit connection tables, one pattern after the other.

With a_j the weighted sum of unit j, x_j = f(a_j) its state and E the cost of the pattern (LeCun et al. 1998, Appendix
C; LeCun, Denker and Solla 1990, "Optimal Brain Damage", eq. 5-8; the names are SN's):

    forward          a_j = sum over incoming connections of scale * w * x_i, and the bias
    backward         y_i = dE/dx_i = sum over outgoing connections of scale * w * g_j;   g_i = y_i f'(a_i)
    second backward  s_i = sum over outgoing connections of (scale * w)^2 * h_j
                     h_i = s_i f'(a_i)^2                     ("gauss-newton": never negative if the cost is convex)
                     h_i = s_i f'(a_i)^2 + y_i f''(a_i)      ("full")
    per weight       dE/dw = sum over its connections of scale * g_j * x_i  (with weight-norm: engines.weight_norm)
                     h_w   = sum over its connections of scale^2 * h_j * x_i^2

At the outputs y is the derivative of the cost and s its second derivative. A bias is a connection from a unit of state
1. A border cell is a unit of constant state.

`normalize` and `attend` add their results n, functions of the states x of their sources, to the sums. Backward they add
sum g_j dn_j/dx_i to y and sum h_j (dn_j/dx_i)^2 to s; if "full", also sum g_j d2n_j/dx_i2 to s.

Equal calls give equal bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np

from snsim.engines.parameter_state import FreeWeights, WeightAccess, check_gates, check_patterns
from snsim.engines.plan import LayerPlan, Plan
from snsim.engines.protocol import NO_GATES, NO_NOISES, Cost, Settings, UpdateRule
from snsim.engines.reference.transforms import TransformKernel, transform_kernel
from snsim.engines.reference.weighted_sums import ScatterAdd, SquaredDistances, WeightedSums
from snsim.engines.weight_norm import WeightNorm
from snsim.errors import fail
from snsim.network.expressions import compile_expressions
from snsim.network.operations import NUMPY
from snsim.network.wiring import MaxPooling

CURVATURES = {"h": "gauss-newton", "h-full": "full"}  # variable of an update rule -> kind
_CHUNK = 1 << 20  # about the most numbers in one array of a batched evaluation: stays in the processor's cache


Gates = Mapping[int, np.ndarray]  # by number of a layer
NONE: Gates = MappingProxyType({})


def _of_pattern(gates: Gates, k: int) -> Gates:
    return {layer: values[k] for layer, values in gates.items()}


class _LayerComputation:
    """A stage of the plan, ready to compute."""

    def __init__(self, stage: LayerPlan, links: list[tuple[int, str, WeightedSums | SquaredDistances]], biases: int):
        self.number = stage.layer
        self.units = stage.units
        self.links = links  # source layer, parameter, sums
        self.transfers: list[tuple[tuple[int, ...], TransformKernel]] = [
            (transfer.sources, transform_kernel(transfer.structure)) for transfer in stage.transfers
        ]
        self.source_units = [
            prod(t.structure.source) if isinstance(t.structure, MaxPooling) else stage.units for t in stage.transfers
        ]
        self.f = compile_expressions([stage.f]).bind(NUMPY)
        self.f_df = compile_expressions([stage.f, stage.df]).bind(NUMPY)
        self.f_df_ddf = compile_expressions([stage.f, stage.df, stage.ddf]).bind(NUMPY)
        self.bias = stage.bias
        self.bias_index = stage.bias_index
        if stage.bias_index is not None:
            self.by_bias = ScatterAdd(stage.bias_index, biases)

    def sums(self, states: list[np.ndarray], values: Mapping[str, np.ndarray]) -> tuple[np.ndarray, list[Any]]:
        """Return the weighted sum of every unit, (..., units), and what the backward pass needs.

        The second result has an entry for each link, then one for each transfer.
        """
        total, saved = self.weighted(states, values)
        for (sources, transfer), units in zip(self.transfers, self.source_units):
            a, transfer_saved = transfer.sums([states[source][..., :units] for source in sources])
            total = total + a
            saved.append(transfer_saved)
        return total, saved

    def weighted(
        self, states: list[np.ndarray], values: Mapping[str, np.ndarray], linear: bool = False
    ) -> tuple[Any, list[Any]]:
        """Return the part of the sums that is linear in the weights, and what the backward pass needs of each link.

        The sum is 0 if the layer has no links and no bias. With `linear`, links that are not linear in the weights are
        left out.
        """
        total, saved = None, []
        for source, slot, link in self.links:
            if linear and isinstance(link, SquaredDistances):
                continue
            a, parts = link.sums(states[source], values[slot])
            total = a if total is None else total + a
            saved.append(parts)
        if self.bias is not None and self.bias_index is not None:
            bias = values[self.bias].take(self.bias_index)
            total = bias if total is None else total + bias
        return 0 if total is None else total, saved

    def tangent(
        self,
        tangents: list[np.ndarray],
        values: Mapping[str, np.ndarray],
        saved: list[Any],
        along: Mapping[str, np.ndarray],
    ) -> Any:
        """Return the derivative of the sums along the tangents of the states (forward mode).

        Of links that are not linear in the weights it is that along both, the states and the direction `along`.
        """
        sum_tangents: Any = 0
        for (source, slot, link), parts in zip(self.links, saved):
            if isinstance(link, SquaredDistances):
                sum_tangents = sum_tangents + link.tangent(tangents[source], along[slot], parts)
                continue
            sum_tangents = sum_tangents + link.sums(tangents[source], values[slot])[0]
        for (sources, transfer), units, transfer_saved in zip(
            self.transfers, self.source_units, saved[len(self.links) :]
        ):
            sum_tangents = sum_tangents + transfer.tangent(
                [tangents[source][..., :units] for source in sources], transfer_saved
            )
        return sum_tangents


class ReferenceEngine(WeightAccess):
    """The NumPy engine that computes from explicit connection tables; implements `engines.protocol.Engine`."""

    name = "reference"

    def __init__(self, plan: Plan, cost: Cost, rule: UpdateRule, dtype: np.dtype | type | str = np.float64):
        self.plan, self.cost, self.rule = plan, cost, rule
        self.dtype = np.dtype(dtype)
        self._weights = FreeWeights(plan.parameters, rule, self.dtype)
        self._values = dict(self._weights.values)  # with weight-norm, the normalised weights: see _normalize
        self._normed = [
            (link.slot, link.gain, WeightNorm(link.connection.wiring.owners(), plan.parameters[link.gain].size))
            for stage in plan.stages
            for link in stage.links
            if link.gain is not None and link.connection.weights_of is None
        ]
        self._shared = plan.shared_slots
        self._prepare_layers()
        self._cost_slopes = (
            None if cost.de is None or cost.dde is None else compile_expressions([cost.de, cost.dde]).bind(NUMPY)
        )
        self._rest = cost.rest
        self._kinds = [(name, kind) for name, kind in CURVATURES.items() if name in rule.mentions]

    def _prepare_layers(self) -> None:
        plan = self.plan
        units = list(plan.layer_units)
        borders: list[list[float]] = [[] for _ in units]  # values of the border cells that stand behind a layer's units
        self._learns = [False] * len(units)  # whether anything learns in a layer or below it
        self._layers: list[_LayerComputation] = []
        for stage in plan.stages:
            links: list[tuple[int, str, WeightedSums | SquaredDistances]] = []
            for link in stage.links:
                values = borders[link.source]
                if link.border_value not in values:
                    values.append(link.border_value)
                border = units[link.source] + values.index(link.border_value)
                shape = link.table, units[link.source], stage.units, plan.parameters[link.slot].size, border
                sums = SquaredDistances(*shape) if link.distance else WeightedSums(*shape, link.scale)
                links.append((link.source, link.slot, sums))
            has_learning_weights = any(
                slot in self._weights.places for slot in (stage.bias, *(link.slot for link in stage.links))
            )
            sources = [*(link.source for link in stage.links), *(k for t in stage.transfers for k in t.sources)]
            self._learns[stage.layer] = has_learning_weights or any(self._learns[source] for source in sources)
            biases = 0 if stage.bias is None else plan.parameters[stage.bias].size
            self._layers.append(_LayerComputation(stage, links, biases))
        self._units = units
        self._borders = [np.array(values, self.dtype) for values in borders]
        self._chunk = max(1, _CHUNK // max([*units, *(link.width for s in self._layers for _, _, link in s.links)]))
        self._pattern_states = self._blank(())

    def _normalize(self) -> None:
        """Compute the weights of connections with weight-norm from their parameters.

        Call this wherever the parameters may have changed.
        """
        for slot, gain, norm in self._normed:
            self._values[slot] = norm.weights(self._weights.values[slot], self._weights.values[gain])

    def _blank(self, patterns: tuple[int, ...]) -> list[np.ndarray]:
        """Return an array for the states of each layer, with the border cells behind them filled in."""
        layers = []
        for units, borders in zip(self._units, self._borders):
            states = np.empty((*patterns, units + len(borders)), self.dtype)
            states[..., units:] = borders
            layers.append(states)
        return layers

    def _present_inputs(self, states: list[np.ndarray], x: np.ndarray) -> None:
        """Put presentations, shape (..., input units), into the states of the input layers."""
        for layer, part in zip(states, self.plan.split_inputs(x)):
            layer[..., : part.shape[-1]] = part

    # ---- Forward -------------------------------------------------------------------------------------------------

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        x = check_patterns(inputs, self.plan.input_units, "input", self.dtype)
        outputs = np.empty((len(x), self.plan.output_units), self.dtype)
        for start in range(0, len(x), self._chunk):
            chunk = slice(start, start + self._chunk)
            outputs[chunk] = self._forward(x[chunk])[-1][:, : self._units[-1]]
        return outputs

    def states(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        x = check_patterns(inputs, self.plan.input_units, "input", self.dtype)
        layers = [np.empty((len(x), units), self.dtype) for units in self._units]
        for start in range(0, len(x), self._chunk):
            chunk = slice(start, start + self._chunk)
            for all_states, states in zip(layers, self._forward(x[chunk])):
                all_states[chunk] = states[:, : all_states.shape[1]]
        return dict(zip(self.plan.layer_names, layers))

    def _forward(self, inputs: np.ndarray) -> list[np.ndarray]:
        """Return the states of every layer, with border cells, for inputs (patterns, input units)."""
        states = self._blank((len(inputs),))
        self._present_inputs(states, inputs)
        with np.errstate(all="ignore"):
            self._normalize()
            for layer in self._layers:
                a, _ = layer.sums(states, self._values)
                states[layer.number][:, : layer.units] = layer.f({"x": a})[0]
        return states

    def tangents(self, inputs: np.ndarray, direction: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        x = check_patterns(inputs, self.plan.input_units, "input", self.dtype)
        flat = self._weights.flat(direction, "direction")
        along = {
            name: flat[self._weights.places[name]] if name in self._weights.places else np.zeros_like(value)
            for name, value in self._weights.values.items()
        }
        for slot, gain, norm in self._normed:
            along[slot] = norm.tangent(self._weights.values[slot], self._weights.values[gain], along[slot], along[gain])
        results = np.empty((2, len(x), self.plan.output_units), self.dtype)
        for start in range(0, len(x), self._chunk):
            chunk = slice(start, start + self._chunk)
            results[:, chunk] = self._outputs_and_tangents(x[chunk], along)
        return results[0], results[1]

    def _outputs_and_tangents(
        self, inputs: np.ndarray, along: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the outputs and their derivatives along a direction of the weights.

        t_j = f'(a_j) * sum over incoming connections of scale * (w * t_i + direction * x_i). t is 0 at the inputs and
        at the border.
        """
        states, tangents = self._blank((len(inputs),)), [np.zeros_like(s) for s in self._blank((len(inputs),))]
        self._present_inputs(states, inputs)
        with np.errstate(all="ignore"):
            self._normalize()
            for layer in self._layers:
                a, saved = layer.sums(states, self._values)
                sum_tangents = layer.weighted(states, along, True)[0] + layer.tangent(
                    tangents, self._values, saved, along
                )
                value, slope = layer.f_df({"x": a})
                states[layer.number][:, : layer.units] = value
                tangents[layer.number][:, : layer.units] = slope * sum_tangents
        return states[-1][:, : self._units[-1]], tangents[-1][:, : self._units[-1]]

    # ---- Learning ------------------------------------------------------------------------------------------------

    def learn(
        self,
        inputs: np.ndarray,
        targets: np.ndarray,
        settings: Settings,
        gates: Mapping[str, np.ndarray] = NO_GATES,
        noises: Mapping[str, np.ndarray] = NO_NOISES,
    ) -> None:
        x = check_patterns(inputs, self.plan.input_units, "input", self.dtype)
        d = check_patterns(targets, self.plan.output_units, "target", self.dtype, len(x))
        gate = check_gates(gates, self.plan, self.dtype, len(x))
        noise = check_gates(noises, self.plan, self.dtype, len(x), "noise")
        env = self._weights.environment(settings)
        kinds = [] if settings.held_curvature is not None else self._kinds
        with np.errstate(all="ignore"):
            for start in range(0, len(x), settings.batch):
                stop = min(start + settings.batch, len(x))
                of_batch = [{layer: values[start:stop] for layer, values in drawn.items()} for drawn in (gate, noise)]
                g, curvatures = self._accumulate(x[start:stop], d[start:stop], kinds, settings.batch_mean, *of_batch)
                self._weights.update(env, g, curvatures)

    def _accumulate(
        self,
        x: np.ndarray,
        d: np.ndarray,
        kinds: list[tuple[str, str]],
        mean: bool,
        gates: Gates = NONE,
        noises: Gates = NONE,
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return g and, by variable, the curvatures of all weights: the sum, or the mean, over patterns."""
        g, hs = self._present(x[0], d[0], kinds, _of_pattern(gates, 0), _of_pattern(noises, 0))
        for k in range(1, len(x)):
            pattern_g, pattern_hs = self._present(x[k], d[k], kinds, _of_pattern(gates, k), _of_pattern(noises, k))
            g += pattern_g
            for name, h in pattern_hs.items():
                hs[name] += h
        if mean and len(x) > 1:
            g /= len(x)
            for h in hs.values():
                h /= len(x)
        return g, hs

    def curvature(self, inputs: np.ndarray, targets: np.ndarray, kind: str) -> dict[str, np.ndarray]:
        if kind not in CURVATURES.values():
            raise fail(f'unknown curvature "{kind}"', hint=f"use one of {', '.join(CURVATURES.values())}")
        x = check_patterns(inputs, self.plan.input_units, "input", self.dtype)
        d = check_patterns(targets, self.plan.output_units, "target", self.dtype, len(x))
        if not len(x):
            raise fail(
                "the curvature is a mean over patterns, and no pattern was given", hint="pass at least one pattern"
            )
        with np.errstate(all="ignore"):
            return self._weights.shaped(self._accumulate(x, d, [("h", kind)], True)[1]["h"])

    def gradient(self, inputs: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
        x = check_patterns(inputs, self.plan.input_units, "input", self.dtype)
        d = check_patterns(targets, self.plan.output_units, "target", self.dtype, len(x))
        if not len(x):
            return self._weights.shaped(np.zeros_like(self._weights.w))
        with np.errstate(all="ignore"):
            return self._weights.shaped(self._accumulate(x, d, [], False)[0])

    def _present(
        self, x: np.ndarray, d: np.ndarray, kinds: list[tuple[str, str]], gates: Gates, noises: Gates
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Run forward, backward and second backward for one pattern.

        Returns g, and h by variable, each a vector of all weights that learn.
        """
        self._normalize()
        states = self._pattern_states
        self._present_inputs(states, x)
        full = any(kind == "full" for _, kind in kinds)
        computed: list[tuple[list[Any], list[Any]]] = []
        for layer in self._layers:
            a, parts = layer.sums(states, self._values)
            a = a + noises[layer.number] if layer.number in noises else a
            value, *slopes = (layer.f_df_ddf if full else layer.f_df)({"x": a})
            if layer.number in gates:  # a gated unit has the nlf gate * f
                gate = gates[layer.number]
                value, slopes = value * gate, [slope * gate for slope in slopes]
            states[layer.number][: layer.units] = value
            computed.append((parts, slopes))
        slope, second = self._cost_derivatives(states[-1][: self._units[-1]], d)

        g = np.zeros_like(self._weights.w)
        y: list[Any] = [None] * len(self._units)
        y[-1] = np.broadcast_to(np.asarray(slope, self.dtype), self._units[-1:])
        for layer, (parts, slopes) in zip(reversed(self._layers), reversed(computed)):
            if self._learns[layer.number] and y[layer.number] is not None:  # else nothing leads to the outputs
                delta = y[layer.number] * slopes[0]
                self._links_back(layer, parts, delta, y, g, "gradient", "back")
                self._transfers_back(layer, parts, y, "back", delta)

        curvatures = {}
        for name, kind in kinds:
            h = np.zeros_like(g)
            s: list[Any] = [None] * len(self._units)
            s[-1] = np.broadcast_to(np.asarray(second, self.dtype), self._units[-1:])
            for layer, (parts, slopes) in zip(reversed(self._layers), reversed(computed)):
                if self._learns[layer.number] and s[layer.number] is not None:
                    h_sums = s[layer.number] * (slopes[0] * slopes[0])
                    if kind == "full":
                        h_sums = h_sums + y[layer.number] * slopes[1]
                    self._links_back(layer, parts, h_sums, s, h, "curvature", "back_squared")
                    self._transfers_back(layer, parts, s, "back_squared", h_sums)
                    if kind == "full":
                        self._distances_back(layer, parts, y[layer.number] * slopes[0], s, h)
                        self._transfers_back(layer, parts, s, "second_derivative_term", y[layer.number] * slopes[0])
            self._to_parameters(h, g if kind == "full" else None)
            curvatures[name] = h
        self._to_parameters(g)
        return g, curvatures

    def _to_parameters(self, derivatives: np.ndarray, *gradient: np.ndarray | None) -> None:
        """Convert derivatives by normalised weights to derivatives by their parameters, in place.

        `derivatives` are gradients, or curvatures if a second argument follows: None for Gauss-Newton, the gradient by
        the normalised weights for the full curvature.
        """
        places, values = self._weights.places, self._weights.values
        for slot, gain, norm in self._normed:
            by_weight = derivatives[places[slot]]
            if gradient:
                g = None if gradient[0] is None else gradient[0][places[slot]]
                parts = norm.curvature(values[slot], values[gain], by_weight, g)
            else:
                parts = norm.gradient(values[slot], values[gain], by_weight)
            derivatives[places[slot]], derivatives[places[gain]] = parts

    def _links_back(
        self,
        layer: _LayerComputation,
        saved: list[Any],
        delta: np.ndarray,
        into: list[Any],
        weights: np.ndarray,
        for_weights: str,
        for_sources: str,
    ) -> None:
        """Propagate the deltas of a layer back through its bias and links.

        `for_weights` and `for_sources` name methods of links. Writes the entries of `weights` for the parameters and
        adds the errors of its source layers to `into`.
        """
        places = self._weights.places
        if layer.bias in places:
            weights[places[layer.bias]] = layer.by_bias(delta)
        for (source, slot, link), parts in zip(layer.links, saved):
            if slot in places:
                for_link = getattr(link, for_weights)(delta, parts)
                weights[places[slot]] = for_link if slot not in self._shared else weights[places[slot]] + for_link
            if self._learns[source]:
                back = getattr(link, for_sources)(delta, parts)
                into[source] = back if into[source] is None else into[source] + back

    def _distances_back(
        self, layer: _LayerComputation, saved: list[Any], g: np.ndarray, into: list[Any], weights: np.ndarray
    ) -> None:
        """Add to the full curvature what the second derivatives of sums of squares give, for errors g at the sums."""
        for (source, slot, link), parts in zip(layer.links, saved):
            if isinstance(link, SquaredDistances):
                if slot in self._weights.places:
                    weights[self._weights.places[slot]] += link.second_for_weights(g, parts)
                if self._learns[source]:
                    into[source] = into[source] + link.second_for_sources(g, parts)

    def _transfers_back(
        self, layer: _LayerComputation, saved: list[Any], into: list[Any], method: str, delta: np.ndarray
    ) -> None:
        """Add what one method of `TransformKernel` passes back to the sources of a layer's transfers."""
        for (sources, transfer), transfer_saved in zip(layer.transfers, saved[len(layer.links) :]):
            if any(self._learns[source] for source in sources):
                for source, more in zip(sources, getattr(transfer, method)(delta, transfer_saved)):
                    into[source] = more if into[source] is None else into[source] + more

    def _cost_derivatives(self, x: np.ndarray, d: np.ndarray) -> tuple[Any, Any]:
        """Return dE/dx and d2E/dx2 at the outputs."""
        if self._cost_slopes is not None:
            return self._cost_slopes({"x": x, "d": d, "n": float(len(x))})
        most = np.maximum(x.max(), self._rest)
        p = np.exp(x - most)
        p /= p.sum() + np.exp(self._rest - most)
        return p * d.sum() - d, p * (1 - p) * d.sum()
