"""The torch engine: learning through the PyTorch module of a net and autograd."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from snsim.engines.parameter_state import FreeWeights, WeightAccess, check_gates, check_patterns
from snsim.engines.plan import Plan
from snsim.engines.protocol import NO_GATES, NO_NOISES, Cost, Settings, UpdateRule
from snsim.engines.torch.backward import CURVATURES, TOGETHER, BackwardPass, curvature_kinds, threads
from snsim.engines.torch.module import build_module
from snsim.errors import fail


def _as_tensor(array: np.ndarray) -> Tensor:
    """Return the array as a tensor, copied only if torch could not write to it."""
    return torch.from_numpy(array if array.flags.writeable and array.flags.c_contiguous else array.copy())


class TorchEngine(WeightAccess):
    """Learning through the module and autograd; satisfies `snsim.engines.protocol.Engine`.

    Diagonal second derivatives have their own backward pass, see `engines.torch.curvature`. Directional derivatives are
    forward-mode automatic differentiation of the module.
    """

    name = "torch"

    def __init__(self, plan: Plan, cost: Cost, rule: UpdateRule, dtype: np.dtype | type | str = np.float64):
        self.plan, self.cost, self.rule = plan, cost, rule
        self.dtype = np.dtype(dtype)
        self.module = build_module(plan, getattr(torch, self.dtype.name))
        self._weights = FreeWeights(plan.parameters, rule, self.dtype)
        for name in self._weights.places:  # the module's parameters are views into the one vector that is updated
            parameter = self.module.get_parameter(name)
            parameter.data = torch.from_numpy(self._weights.values[name]).view(parameter.shape)
        self.device = torch.device("cpu")
        self._backward = BackwardPass(plan, cost, self.module)
        self._kinds = curvature_kinds(rule)
        self.threads: int | None = None  # as many as PyTorch has

    def use_threads(self, threads: int) -> None:
        """Use this many threads of PyTorch. Its sums may have other last bits for another number of threads."""
        self.threads = threads

    def move_to(self, device: str) -> None:
        """Compute states, gradients and curvature on a device of PyTorch, such as "cuda"; the update stays on the CPU.

        SnError if there is no such device, or if this PyTorch cannot use it.
        """
        try:
            moved = torch.zeros(1, device=device)
            moved.cpu()
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise fail(
                f'the torch engine cannot compute on the device "{device}": {str(error).splitlines()[0][:150]}',
                hint="leave --device out, or name a device of this machine: cpu, cuda, cuda:0, mps",
            ) from None
        if moved.device == self.device:
            return
        self.device = moved.device
        self.module.to(self.device)  # the parameters are no views into the vector any more
        self._backward = BackwardPass(self.plan, self.cost, self.module)
        self._publish()

    def load_parameters(self, values: Mapping[str, np.ndarray]) -> None:
        super().load_parameters(values)
        self._publish()

    @torch.no_grad()
    def _publish(self) -> None:
        """Copy the weights to the module where it is on another device."""
        if self.device.type != "cpu":
            for name, place in self._weights.places.items():
                parameter = self.module.get_parameter(name)
                parameter.copy_(torch.from_numpy(self._weights.w[place]).reshape(parameter.shape))

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
                layer: _as_tensor(values).to(self.device)
                for layer, values in check_gates(drawn, self.plan, self.dtype, len(x), what).items()
            }
            for drawn, what in ((gates, "gate"), (noises, "noise"))
        )
        env = self._weights.environment(settings)
        kinds = [] if settings.held_curvature is not None else self._kinds
        with np.errstate(all="ignore"), threads(1 if settings.batch == 1 else self.threads):
            for start in range(0, len(x), settings.batch):
                batch = slice(start, start + settings.batch)
                of_batch = [{layer: values[batch] for layer, values in drawn.items()} for drawn in (gate, noise)]
                divisor = float(len(x[batch])) if settings.batch_mean else 1.0
                g, curvatures = self._backward(x[batch], d[batch], kinds, divisor, *of_batch)
                self._weights.update(env, g, curvatures)
                self._publish()

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        return self._evaluate(inputs)[-1]

    def states(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(self.plan.layer_names, self._evaluate(inputs)))

    def _evaluate(self, inputs: np.ndarray) -> list[np.ndarray]:
        """Return the states of every layer, (patterns, units)."""
        x = _as_tensor(check_patterns(inputs, self.plan.input_units, "input", self.dtype)).to(self.device)
        with torch.no_grad(), threads(self.threads):
            chunks = [self.module._states(piece) for piece in x.split(TOGETHER)]
        return [torch.cat(layer).cpu().numpy() for layer in zip(*chunks)]

    def curvature(self, inputs: np.ndarray, targets: np.ndarray, kind: str) -> dict[str, np.ndarray]:
        if kind not in CURVATURES.values():
            raise fail(f'unknown curvature "{kind}"', hint=f"use one of {', '.join(CURVATURES.values())}")
        x, d = self._patterns(inputs, targets)
        if not len(x):
            raise fail(
                "the curvature is a mean over patterns, and no pattern was given", hint="pass at least one pattern"
            )
        with threads(self.threads):
            return self._weights.shaped(self._backward.mean_curvature(x, d, kind))

    def gradient(self, inputs: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
        x, d = self._patterns(inputs, targets)
        total = np.zeros_like(self._weights.w)
        with threads(self.threads):
            for start in range(0, len(x), TOGETHER):
                total += self._backward(x[start : start + TOGETHER], d[start : start + TOGETHER], ())[0]
        return self._weights.shaped(total)

    def tangents(self, inputs: np.ndarray, direction: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        x = _as_tensor(check_patterns(inputs, self.plan.input_units, "input", self.dtype)).to(self.device)
        flat = torch.from_numpy(self._weights.flat(direction, "direction")).to(self.device)
        places = self._weights.places
        at = {name: self.module.get_parameter(name).detach() for name in places}
        along = {name: flat[place].reshape(at[name].shape) for name, place in places.items()}

        def outputs(weights: dict[str, Tensor], chunk: Tensor) -> Tensor:
            rows: Tensor = torch.func.functional_call(self.module, weights, (chunk,)).reshape(len(chunk), -1)
            return rows

        chunks = [
            torch.func.jvp(lambda weights, chunk=chunk: outputs(weights, chunk), (at,), (along,))
            for chunk in x.split(TOGETHER)
        ]
        values, tangents = (torch.cat(part).detach().cpu().numpy() for part in zip(*chunks))
        return values, tangents

    def _patterns(self, inputs: np.ndarray, targets: np.ndarray) -> tuple[Tensor, Tensor]:
        x = _as_tensor(check_patterns(inputs, self.plan.input_units, "input", self.dtype))
        d = _as_tensor(check_patterns(targets, self.plan.output_units, "target", self.dtype, len(x)))
        return x.to(self.device), d.to(self.device)
