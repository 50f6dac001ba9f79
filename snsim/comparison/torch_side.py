"""A hand-coded PyTorch module as one side of a comparison. Imports torch at the start."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from snsim.comparison.engine_side import UpdateResult
from snsim.comparison.first_difference import Evidence, ModuleLines
from snsim.comparison.load_module import raising_faults
from snsim.comparison.match_parameters import ParameterMatch, match_parameters
from snsim.comparison.own_step import Memory, own_step
from snsim.comparison.presentations import Update
from snsim.comparison.source_lines import find_lines
from snsim.comparison.torch_hooks import DropoutOverride, TensorRecorder, dropout_layers
from snsim.engines.parameter_state import FreeWeights
from snsim.engines.protocol import Settings, UpdateRule
from snsim.engines.torch.operations import TORCH
from snsim.errors import fail
from snsim.network.expressions import compile_expressions
from snsim.training.spec import Training

_METHODS_HINT = (
    "the comparison calls forward and, if they exist, cost(outputs, targets), configure_optimizers() and learn(x, d)"
)


class ModuleSide:
    """A module with our weights and our dtype, in training mode, that learns what a training presents.

    The module may have three methods of its own. `cost(outputs, targets)` is the cost of one pattern, both (1, units);
    it is minimised as the sum over the patterns of a batch (their mean with `(batch-mean)`). `configure_optimizers()`
    returns the optimizer of torch.optim that updates the module, or that and a scheduler, stepped after each pass.
    `learn(x, d)` makes the whole step itself: x is a batch as forward takes it, d is (patterns, units). Without them,
    the cost, the update rule and the rates of the training apply. Dropout drops what the training drops.

    Without `with_learn`, `learn` is not called.

    It is a context manager: at its end the module has its old weights, dtype and mode again.
    """

    def __init__(
        self, module: nn.Module, training: Training, dtype: str, mapping: Mapping[str, str], with_learn: bool = True
    ):
        self.name = type(module).__name__
        self.pairs = match_parameters(training.net, module, mapping)
        self._module, self._training = module, training
        self._dtype = getattr(torch, dtype)
        self._device = next((pair.theirs.device for pair in self.pairs), None)
        self._shape: tuple[int, ...] | None = None
        self._drops = dropout_layers(training)
        self._module_cost = getattr(module, "cost", None)
        self._e = None if training.cost.e is None else compile_expressions([training.cost.e]).bind(TORCH)
        self._own_step = own_step(module, self.pairs) if with_learn else None
        self._ending = ExitStack()

    def __enter__(self) -> ModuleSide:
        end = self._ending
        for part in self._module.modules():
            end.callback(setattr, part, "training", part.training)
            for name, buffer in part.named_buffers(recurse=False):
                end.callback(_restore_buffer, part, name, buffer, buffer.clone())
        for parameter in self._module.parameters():
            end.callback(_restore, parameter, parameter.data, parameter.grad, parameter.data.clone())
        end.enter_context(torch.random.fork_rng(devices=[]))
        end.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(1)  # for one pattern at a time a second thread is never faster
        end.callback(torch.set_default_dtype, torch.get_default_dtype())
        torch.set_default_dtype(self._dtype)  # for constants that forward creates
        self._module.train().to(self._dtype)
        self._memory = Memory(self._module)
        end.callback(self._memory.restore)
        return self

    def __exit__(self, *exception: object) -> None:
        self._ending.close()

    def start(self, weights: Mapping[str, np.ndarray]) -> None:
        for pair in self.pairs:
            pair.put(weights[pair.ours.name])
        self._memory.restore()
        with raising_faults("configure_optimizers() of the module fails", _METHODS_HINT):
            configured = getattr(self._module, "configure_optimizers", lambda: None)()
        rule = self._training.stages[0].rule
        self._learner = (
            _TrainingOptimizer(self.pairs, rule, self._dtype) if configured is None else _ModuleOptimizer(configured)
        )

    # ---- One update ----------------------------------------------------------------------------------------------

    def present(self, update: Update) -> UpdateResult:
        if update.noises:
            raise fail(
                f"training {self._training.name} adds noise to the weighted sums of {', '.join(update.noises)}, "
                "which a module cannot take over",
                self._training.span,
                hint="compare a training without this noise",
            )
        outputs, cost, hidden = self._evaluate(update)
        x, d = self._as_tensor(update.inputs), self._as_tensor(update.targets)
        with self._dropping(update):
            outputs_to_learn = self._forward(x)
        self._backward(outputs_to_learn, d, update.settings)
        slopes = {
            pair: torch.zeros_like(pair.theirs) if pair.theirs.grad is None else pair.theirs.grad.clone()
            for pair in self.pairs
        }
        if self._own_step is not None:
            with self._dropping(update):
                self._own_step.step(x.reshape(len(x), *(self._shape or ())), d)
        else:
            with raising_faults("the optimizer of the module fails", _METHODS_HINT):
                self._learner.step(update.settings, update.number)
        extra_gradients: dict[str, float] = {}
        for pair, slope in slopes.items():
            extra_gradients[pair.ours.layer] = max(
                extra_gradients.get(pair.ours.layer, 0.0), pair.extra_gradients(slope)
            )
        return UpdateResult(
            outputs,
            cost,
            hidden,
            {pair.ours.name: pair.to_ours(slope) for pair, slope in slopes.items()},
            {pair.ours.name: pair.to_ours(pair.theirs) for pair in self.pairs},
            extra_gradients,
        )

    @contextmanager
    def _dropping(self, update: Update) -> Iterator[None]:
        """Use the gates of the update in the module's own dropout."""
        gates = [drop.gate(update.gates, self._dtype, self._device) for drop in self._drops]
        if not gates:
            yield
            return
        with DropoutOverride(self._training.name, self._drops, gates) as dropping:
            yield
        dropping.check()

    def _evaluate(self, update: Update) -> tuple[np.ndarray, float, list[np.ndarray]]:
        """Return the outputs (patterns, units), the cost, and all tensors that may be states.

        Buffers of the module are restored.
        """
        buffers = copy.deepcopy(dict(self._module.named_buffers()))
        sizes = {layer.units * len(update.inputs) for layer in self._training.net.layers}
        with torch.no_grad():
            x = self._as_tensor(update.inputs)
            with TensorRecorder(self._training.name, self._drops, sizes) as watching:
                outputs = self._forward(x)
            watching.check()
            cost = float(self._cost(outputs, self._as_tensor(update.targets)))
            for name, buffer in self._module.named_buffers():
                buffer.copy_(buffers[name])
        return outputs.cpu().numpy(), cost, [tensor.cpu().numpy().reshape(-1) for tensor in watching.tensors]

    def _backward(self, outputs: Tensor, targets: Tensor, settings: Settings) -> None:
        self._module.zero_grad(set_to_none=True)
        cost = self._cost(outputs, targets)
        if cost.requires_grad:
            with raising_faults("the gradient of the module cannot be computed", _METHODS_HINT):
                (cost / len(outputs) if settings.batch_mean else cost).backward()

    def _as_tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.array(array)).to(self._device, self._dtype)

    def _cost(self, x: Tensor, d: Tensor) -> Tensor:
        """Return E summed over the patterns; x and d are (patterns, units)."""
        if callable(self._module_cost):
            with raising_faults("cost(outputs, targets) of the module fails", _METHODS_HINT):
                return torch.stack(
                    [_one_number(self._module_cost(x[i : i + 1], d[i : i + 1])) for i in range(len(x))]
                ).sum()
        if self._e is None:
            return -(d * torch.log_softmax(x, 1)).sum()
        summed: Tensor = self._e({"x": x, "d": d, "n": float(x.shape[1])})[0].sum()
        return summed

    def _forward(self, x: Tensor) -> Tensor:
        """Return the outputs as (patterns, units). The first time, try the possible shapes of the input in turn."""
        with raising_faults("forward of the module fails", _METHODS_HINT):
            if self._shape is None:
                self._shape = self._find_input_shape(x)
            outputs: Tensor = self._module(x.reshape(len(x), *self._shape)).reshape(len(x), -1)
            return outputs

    def _find_input_shape(self, x: Tensor) -> tuple[int, ...]:
        layer, output = self._training.net.layers[0], self._training.net.layers[-1]
        shapes = [layer.shape]
        if layer.maps is not None:
            shapes = [layer.maps, *([layer.maps[1:]] if layer.maps[0] == 1 else []), (layer.units,)]
        refused = []
        for shape in shapes:
            try:
                with torch.no_grad(), DropoutOverride(self._training.name, self._drops):
                    outputs = self._module(x.reshape(len(x), *shape))
            except (RuntimeError, ValueError, IndexError, TypeError) as error:
                refused.append(f"{(len(x), *shape)}: {' '.join(str(error).split())[:200]}")
                continue
            if isinstance(outputs, Tensor) and outputs.numel() == len(x) * output.units:
                return shape
            result_text = str(tuple(outputs.shape)) if isinstance(outputs, Tensor) else f"a {type(outputs).__name__}"
            refused.append(f"{(len(x), *shape)}: returns {result_text}, not {(len(x), output.units)}")
        raise fail(
            f"the module accepts none of the input shapes of layer {layer.name}: {'; '.join(refused)}",
            hint=f"forward must take (patterns, maps, rows, columns) or (patterns, units), and return (patterns, "
            f"{output.units})",
        )

    def find_lines(self, evidence: Evidence) -> ModuleLines:
        """Return the lines of the class that compute what is in the evidence. The module computes it once more."""
        for pair in self.pairs:
            pair.put(evidence.before[pair.ours.name])
        x, d = self._as_tensor(evidence.update.inputs), self._as_tensor(evidence.update.targets)
        names = [layer.name for layer in self._training.net.layers[1:]]
        states = dict(zip(names, [*evidence.one.hidden, evidence.one.outputs.reshape(-1)]))
        step = self._own_step
        learn = None if step is None else lambda: step.step(x.reshape(len(x), *(self._shape or ())), d)
        return find_lines(self._module.eval(), self.pairs, states, lambda: self._forward(x), learn)

    # ---- Speed ---------------------------------------------------------------------------------------------------

    def seconds(self, updates: Sequence[Update]) -> float:
        """Learn the updates and return the processor time of forward, cost, backward and update.

        Dropout is drawn by the module itself.
        """
        ready = [(self._as_tensor(update.inputs), self._as_tensor(update.targets), update) for update in updates]
        began = time.process_time()
        for x, d, update in ready:
            if self._own_step is not None:
                self._own_step.step(x.reshape(len(x), *(self._shape or ())), d)
                continue
            self._backward(self._forward(x), d, update.settings)
            self._learner.step(update.settings, update.number)
        return time.process_time() - began


def _one_number(cost: object) -> Tensor:
    """Return the cost of a pattern, shape ().

    Raises SnError unless it is a tensor of one number: PyTorch has no gradient of others.
    """
    if isinstance(cost, Tensor) and cost.numel() == 1:
        return cost.reshape(())
    result_text = f"a tensor of shape {tuple(cost.shape)}" if isinstance(cost, Tensor) else f"a {type(cost).__name__}"
    raise fail(
        f"cost(outputs, targets) of the module returns {result_text}, not a tensor of one number",
        hint="sum it over the outputs, as in ((outputs - targets) ** 2).sum()",
    )


class _TrainingOptimizer:
    """The update rule and the rates of the training, applied to the gradients of the module."""

    def __init__(self, pairs: Sequence[ParameterMatch], rule: UpdateRule, dtype: torch.dtype):
        self._pairs = pairs
        self._weights = FreeWeights(
            {pair.ours.name: pair.ours for pair in pairs}, rule, np.dtype(str(dtype).removeprefix("torch."))
        )
        self._weights.load_parameters({pair.ours.name: pair.to_ours(pair.theirs) for pair in pairs})

    def step(self, settings: Settings, number: int) -> None:
        slopes = [
            np.zeros(pair.ours.shape) if pair.theirs.grad is None else pair.to_ours(pair.theirs.grad)
            for pair in self._pairs
        ]
        g = np.concatenate([slope.reshape(-1) for slope in slopes]).astype(self._weights.dtype)
        with np.errstate(all="ignore"):
            self._weights.update(self._weights.environment(settings), g, {})
        for pair in self._pairs:
            pair.put(self._weights.values[pair.ours.name].reshape(pair.ours.shape))


class _ModuleOptimizer:
    """The result of `configure_optimizers()`: an optimizer, or that and a scheduler stepped after each pass."""

    def __init__(self, configured: Any):
        parts = tuple(configured) if isinstance(configured, (tuple, list)) else (configured,)
        is_valid = 1 <= len(parts) <= 2 and isinstance(parts[0], torch.optim.Optimizer) and hasattr(parts[-1], "step")
        if not is_valid:
            raise fail(
                f"configure_optimizers() of the module returns a {type(configured).__name__}",
                hint="return an optimizer of torch.optim, or (optimizer, scheduler)",
            )
        self._optimizer, self._scheduler = parts[0], parts[1] if len(parts) == 2 else None
        self._number = 1

    def step(self, settings: Settings, number: int) -> None:
        while self._scheduler is not None and self._number < number:
            self._scheduler.step()
            self._number += 1
        self._optimizer.step()


def _restore(parameter: nn.Parameter, data: Tensor, grad: Tensor | None, values: Tensor) -> None:
    parameter.grad = None  # it may have another dtype
    parameter.data = data.copy_(values)
    parameter.grad = grad


def _restore_buffer(part: nn.Module, name: str, buffer: Tensor, values: Tensor) -> None:
    setattr(part, name, buffer.copy_(values))
