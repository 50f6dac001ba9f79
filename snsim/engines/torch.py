"""The torch engine: learning through a net's module and autograd. Only this file and `torch_module` import torch."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from snsim.engines.plan import Plan
from snsim.engines.protocol import NO_GATES, Cost, Settings, UpdateRule
from snsim.engines.torch_module import TORCH, module
from snsim.engines.values import FreeWeights, Holder, checked_gates, checked_patterns
from snsim.errors import fail
from snsim.network.expressions import program


def _no_curvature(why: str) -> Exception:
    return fail(f"{why}, which the torch engine does not compute", hint="use the native or the reference engine")


def _given(array: np.ndarray) -> Tensor:
    """The array as a tensor; torch takes over only what it might write to."""
    return torch.from_numpy(array if array.flags.writeable and array.flags.c_contiguous else array.copy())


@contextmanager
def _threads(wanted: int | None) -> Iterator[None]:
    """That many threads inside torch, and as before afterwards; None leaves them alone. For one pattern at a time a
    second thread is never quicker, and on a busy machine waiting for it is many times slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(wanted or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class TorchEngine(Holder):
    """Learning through the module and autograd, on the processor; satisfies `snsim.engines.protocol.Engine`.

    Update rules that mention h or h-full, held curvature and `curvature` itself are refused with an SnError: autograd
    has no diagonal second derivatives at a price one would pay. The other engines have them.
    """

    name = "torch"

    def __init__(self, plan: Plan, cost: Cost, rule: UpdateRule, dtype: np.dtype | type | str = np.float64):
        if rule.curvature is not None:
            raise _no_curvature(f'the update rule "{rule.name}" uses the curvature')
        self.plan, self.cost, self.rule = plan, cost, rule
        self.dtype = np.dtype(dtype)
        self.module = module(plan, getattr(torch, self.dtype.name))
        self._weights = FreeWeights(plan.parameters, rule, self.dtype)
        self._learning = []
        for name in self._weights.places:  # the module's parameters are views into the one vector that is updated
            parameter = self.module.get_parameter(self.module.parameter_names[name])
            parameter.data = torch.from_numpy(self._weights.values[name]).view(parameter.shape)
            self._learning.append(parameter)
        self._e = None if cost.softmax else program([cost.e]).bind(TORCH)

    def learn(self, inputs: np.ndarray, targets: np.ndarray, settings: Settings,
              gates: Mapping[str, np.ndarray] = NO_GATES) -> None:
        if settings.held_curvature is not None:
            raise _no_curvature("this training holds the curvature between passes")
        x = _given(checked_patterns(inputs, self.plan.input_units, "input", self.dtype))
        d = _given(checked_patterns(targets, self.plan.output_units, "target", self.dtype, len(x)))
        gate = {layer: _given(values) for layer, values in checked_gates(gates, self.plan, self.dtype, len(x)).items()}
        env = self._weights.environment(settings)
        with np.errstate(all="ignore"), _threads(1 if settings.batch == 1 else None):
            for start in range(0, len(x), settings.batch):
                batch = slice(start, start + settings.batch)
                of_batch = {layer: values[batch] for layer, values in gate.items()}
                cost = self._cost(self.module._states(x[batch], of_batch)[-1], d[batch])
                cost = cost / len(x[batch]) if settings.batch_mean else cost
                slopes = torch.autograd.grad(cost, self._learning, allow_unused=True, materialize_grads=True)
                g = torch.cat([slope.reshape(-1) for slope in slopes]).numpy()
                self._weights.update(env, g, {})

    def _cost(self, x: Tensor, d: Tensor) -> Tensor:
        """E summed over the patterns."""
        if self._e is None:
            return -(d * torch.log_softmax(x, 1)).sum()
        return self._e({"x": x, "d": d, "n": float(x.shape[1])})[0].sum()

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        return self._evaluated(inputs)[-1]

    def states(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(self.plan.layer_names, self._evaluated(inputs)))

    def _evaluated(self, inputs: np.ndarray) -> list[np.ndarray]:
        """States of every layer, (patterns, units)."""
        x = _given(checked_patterns(inputs, self.plan.input_units, "input", self.dtype))
        with torch.no_grad():
            chunks = [self.module._states(x[start:start + 1024]) for start in range(0, max(len(x), 1), 1024)]
        return [torch.cat(layer).numpy() for layer in zip(*chunks)]

    def curvature(self, inputs: np.ndarray, targets: np.ndarray, kind: str) -> dict[str, np.ndarray]:
        raise _no_curvature("the curvature is wanted")
