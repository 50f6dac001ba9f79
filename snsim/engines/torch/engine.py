"""The torch engine: learning through a net's module and autograd. Only the files `torch*.py` here import torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from snsim.engines.parameter_state import FreeWeights, Holder, checked_gates, checked_patterns
from snsim.engines.plan import Plan
from snsim.engines.protocol import NO_GATES, NO_NOISES, Cost, Settings, UpdateRule
from snsim.engines.torch.curvature import Curvature, Gates
from snsim.engines.torch.module import module
from snsim.engines.torch.operations import TORCH
from snsim.errors import fail
from snsim.network.expressions import compile_expressions

NONE: Gates = MappingProxyType({})
CURVATURES = {"h": "gauss-newton", "h-full": "full"}  # variable of an update rule -> kind
_TOGETHER = 1024  # patterns evaluated in one go


def _given(array: np.ndarray) -> Tensor:
    """The array as a tensor; torch takes over only what it might write to."""
    return torch.from_numpy(array if array.flags.writeable and array.flags.c_contiguous else array.copy())


@contextmanager
def _threads(wanted: int | None) -> Iterator[None]:
    """That many threads inside torch, and as before afterwards; None leaves them alone. For one pattern at a time a
    second thread is never quicker, and on a busy machine waiting for it is many times slower.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(wanted or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class TorchEngine(Holder):
    """Learning through the module and autograd, on the processor; satisfies `snsim.engines.protocol.Engine`.

    Diagonal second derivatives go a way back of their own, see `torch_curvature`; directional ones are forward-mode
    automatic differentiation of the module.
    """

    name = "torch"

    def __init__(self, plan: Plan, cost: Cost, rule: UpdateRule, dtype: np.dtype | type | str = np.float64):
        self.plan, self.cost, self.rule = plan, cost, rule
        self.dtype = np.dtype(dtype)
        self.module = module(plan, getattr(torch, self.dtype.name))
        self._weights = FreeWeights(plan.parameters, rule, self.dtype)
        self._learning = []
        for name in self._weights.places:  # the module's parameters are views into the one vector that is updated
            parameter = self.module.get_parameter(self.module.parameter_names[name])
            parameter.data = torch.from_numpy(self._weights.values[name]).view(parameter.shape)
            self._learning.append(parameter)
        self._e = None if cost.e is None else compile_expressions([cost.e]).bind(TORCH)
        self._curvature = Curvature(plan, cost, self.module)
        self._kinds = [(name, kind) for name, kind in CURVATURES.items() if name in rule.mentions]

    def learn(
        self,
        inputs: np.ndarray,
        targets: np.ndarray,
        settings: Settings,
        gates: Mapping[str, np.ndarray] = NO_GATES,
        noises: Mapping[str, np.ndarray] = NO_NOISES,
    ) -> None:
        x, d = self._patterns(inputs, targets)
        gate, noise = (
            {
                layer: _given(values)
                for layer, values in checked_gates(drawn, self.plan, self.dtype, len(x), what).items()
            }
            for drawn, what in ((gates, "gate"), (noises, "noise"))
        )
        env = self._weights.environment(settings)
        kinds = [] if settings.held_curvature is not None else self._kinds
        with np.errstate(all="ignore"), _threads(1 if settings.batch == 1 else None):
            for start in range(0, len(x), settings.batch):
                batch = slice(start, start + settings.batch)
                of_batch = [{layer: values[batch] for layer, values in drawn.items()} for drawn in (gate, noise)]
                over = float(len(x[batch])) if settings.batch_mean else 1.0
                g, curvatures = self._gathered(x[batch], d[batch], kinds, over, *of_batch)
                self._weights.update(env, g, curvatures)

    def _gathered(
        self,
        x: Tensor,
        d: Tensor,
        kinds: Sequence[tuple[str, str]],
        over: float = 1.0,
        gates: Gates = NONE,
        noises: Gates = NONE,
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """g and, by variable, the curvatures: summed over the patterns and divided by `over`, for all free weights."""
        states, sums = self.module._presented(x, gates, noises)
        cost = self._cost(states[-1], d) / over
        layers = [state for state in states[1:] if kinds and state.requires_grad]
        slopes = torch.autograd.grad(cost, [*self._learning, *layers], allow_unused=True, materialize_grads=True)
        g = torch.cat([slope.reshape(-1) for slope in slopes[: len(self._learning)]]).numpy()
        if not kinds:
            return g, {}
        of_layers = iter(slopes[len(self._learning) :])
        ys = [next(of_layers) * over if state.requires_grad else None for state in states[1:]]
        curvatures = {}
        for name, kind in kinds:
            made = self._curvature(states, sums, ys, d, kind, gates)
            h = [
                made[slot].numpy() if slot in made else np.zeros(place.stop - place.start, self.dtype)
                for slot, place in self._weights.places.items()
            ]
            curvatures[name] = np.concatenate(h) / self.dtype.type(over)
        return g, curvatures

    def _cost(self, x: Tensor, d: Tensor) -> Tensor:
        """E summed over the patterns."""
        if self._e is None:
            return -(d * torch.log_softmax(x, 1)).sum()
        summed: Tensor = self._e({"x": x, "d": d, "n": float(x.shape[1])})[0].sum()
        return summed

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        return self._evaluated(inputs)[-1]

    def states(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(self.plan.layer_names, self._evaluated(inputs)))

    def _evaluated(self, inputs: np.ndarray) -> list[np.ndarray]:
        """States of every layer, (patterns, units)."""
        x = _given(checked_patterns(inputs, self.plan.input_units, "input", self.dtype))
        with torch.no_grad():
            chunks = [self.module._states(x[start : start + 1024]) for start in range(0, max(len(x), 1), 1024)]
        return [torch.cat(layer).numpy() for layer in zip(*chunks)]

    def curvature(self, inputs: np.ndarray, targets: np.ndarray, kind: str) -> dict[str, np.ndarray]:
        if kind not in CURVATURES.values():
            raise fail(f'unknown curvature "{kind}"', hint=f"curvatures: {', '.join(CURVATURES.values())}")
        x, d = self._patterns(inputs, targets)
        if not len(x):
            raise fail(
                "the curvature is a mean over patterns, and there are none", hint="hand over one pattern or more"
            )
        pieces = [
            self._gathered(x[start : start + _TOGETHER], d[start : start + _TOGETHER], [("h", kind)])[1]["h"]
            for start in range(0, len(x), _TOGETHER)
        ]
        return self._weights.shaped(sum(pieces[1:], pieces[0]) / self.dtype.type(len(x)))

    def gradient(self, inputs: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
        x, d = self._patterns(inputs, targets)
        total = np.zeros_like(self._weights.w)
        for start in range(0, len(x), _TOGETHER):
            total += self._gathered(x[start : start + _TOGETHER], d[start : start + _TOGETHER], ())[0]
        return self._weights.shaped(total)

    def tangents(self, inputs: np.ndarray, direction: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        x = _given(checked_patterns(inputs, self.plan.input_units, "input", self.dtype))
        flat = torch.from_numpy(self._weights.flat(direction, "direction"))
        names = {name: self.module.parameter_names[name] for name in self._weights.places}
        at = {made: self.module.get_parameter(made).detach() for made in names.values()}
        along = {made: flat[self._weights.places[name]].reshape(at[made].shape) for name, made in names.items()}

        def outputs(weights: dict[str, Tensor], chunk: Tensor) -> Tensor:
            rows: Tensor = torch.func.functional_call(self.module, weights, (chunk,)).reshape(len(chunk), -1)
            return rows

        made = [
            torch.func.jvp(lambda weights, chunk=chunk: outputs(weights, chunk), (at,), (along,))
            for chunk in x.split(_TOGETHER)
        ]
        values, moved = (torch.cat(part).detach().numpy() for part in zip(*made))
        return values, moved

    def _patterns(self, inputs: np.ndarray, targets: np.ndarray) -> tuple[Tensor, Tensor]:
        x = _given(checked_patterns(inputs, self.plan.input_units, "input", self.dtype))
        return x, _given(checked_patterns(targets, self.plan.output_units, "target", self.dtype, len(x)))
