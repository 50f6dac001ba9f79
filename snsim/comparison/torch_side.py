"""A hand-coded PyTorch module as one side of a comparison. Imports torch at the start."""

from __future__ import annotations

import copy
import inspect
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import product
from math import prod
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
from snsim.comparison.torch_hooks import DropoutOverride, TensorRecorder, dropout_layers, order_of_units
from snsim.engines.parameter_state import FreeWeights
from snsim.engines.protocol import Settings, UpdateRule
from snsim.engines.torch.backward import coupled_cost
from snsim.engines.torch.operations import TORCH
from snsim.errors import fail
from snsim.network.expressions import compile_expressions
from snsim.network.net import Net
from snsim.network.unrolled import Unrolled, unroll
from snsim.training.spec import Training

_METHODS_HINT = (
    "the comparison calls forward and, if they exist, cost(outputs, targets), configure_optimizers() and learn(x, d)"
)


Shapes = tuple[tuple[int, ...], ...]  # of one pattern in each of the tensors that forward takes


class ModuleSide:
    """A module with our weights and our dtype, in training mode, that learns what a training presents.

    The module may have three methods of its own. `cost(outputs, targets)` is the cost of one pattern, both (1, units);
    it is minimised as the sum over the patterns of a batch (their mean with `(batch-mean)`). `configure_optimizers()`
    returns the optimizer of torch.optim that updates the module, or that and a scheduler, stepped after each pass, also
    as Lightning's lists or dictionary. `learn(x, d)` makes the whole step itself: x is a batch as forward takes it, d
    is (patterns, units). Without them, the cost, the update rule and the rates of the training apply. Dropout drops
    what the training drops. States and cost are those of eval mode. For a cost with softmax, forward may return logits,
    probabilities or their logarithms.

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
        self._device = next((pair.theirs.tensors[0].device for pair in self.pairs), None)
        self._kind = ""  # of the outputs
        self._weights: Mapping[str, np.ndarray] = {}
        self._is_settled = False
        self._shapes: Shapes = ()  # of the tensors that forward takes, once they are found
        net = training.net
        self._unrolled = unroll(net, training.time) if net.delayed else None
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
        self.set_weights(weights)
        self._memory.restore()
        configure = None if self._own_step is not None else getattr(self._module, "configure_optimizers", None)
        with raising_faults("configure_optimizers() of the module fails", _METHODS_HINT):
            configured = None if configure is None else configure()
        rule = self._training.stages[0].rule
        self._learner = (
            _TrainingOptimizer(self.pairs, rule, self._dtype) if configured is None else _ModuleOptimizer(configured)
        )

    def set_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        self._weights = weights
        for pair in self.pairs:
            pair.put(weights[pair.ours.name])

    def optimizer_in_pass(self, number: int) -> Mapping[str, Mapping[str, object]]:
        """Return the options of the module's own optimizer in a pass, by our parameter; empty if it has none.

        Call it with pass 1 first, then with the next ones. Nothing is learned.
        """
        if number == 1:
            self.start(self._weights)
        if isinstance(self._learner, _TrainingOptimizer) or not self._learner.follows_passes:
            return {}
        with raising_faults("the scheduler of the module fails", _METHODS_HINT), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that no optimizer was stepped before it
            self._learner.reach_pass(number)
        return self._learner.options(self.pairs)

    # ---- One update ----------------------------------------------------------------------------------------------

    def present(self, update: Update, known: UpdateResult | None = None) -> UpdateResult:
        if update.noises:
            raise fail(
                f"training {self._training.name} adds noise to the weighted sums of {', '.join(update.noises)}, "
                "which a module cannot take over",
                self._training.span,
                hint="compare a training without this noise",
            )
        if known is not None and not self._is_settled:
            self._settle(update, known)
        outputs, cost, watching = self._evaluate(update)
        self._differentiate(update)
        slopes = {pair: pair.gradients() for pair in self.pairs}
        options = self._step(update)
        extra_gradients: dict[str, float] = {}
        for pair, (_, extra) in slopes.items():
            extra_gradients[pair.ours.layer] = max(extra_gradients.get(pair.ours.layer, 0.0), extra)
        return UpdateResult(
            outputs,
            cost,
            _flattened(watching.tensors),
            {pair.ours.name: slope for pair, (slope, _) in slopes.items()},
            {pair.ours.name: pair.values() for pair in self.pairs},
            extra_gradients,
            self._kind,
            options,
            watching.dropped[0] if watching.dropped else "",
        )

    def _step(self, update: Update) -> dict[str, dict[str, object]]:
        """Let the module make its step, and return the options of its optimizer, by our parameter."""
        if self._own_step is not None:
            with self._dropping(update) as dropping:
                self._own_step.step(self._as_input(update.inputs), self._as_tensor(update.targets))
            dropping.check()
            return {}
        with raising_faults("the optimizer of the module fails", _METHODS_HINT):
            options = self._learner.options(self.pairs)
            self._learner.step(update.settings, update.number, lambda: self._differentiate(update))
        return options

    def _dropping(self, update: Update) -> DropoutOverride:
        """Return a context in which the module's dropout uses the gates of the update."""
        gates = [drop.gate(update.gates, self._dtype, self._device) for drop in self._drops]
        return DropoutOverride(self._training.name, self._drops, gates)

    def _differentiate(self, update: Update) -> Tensor:
        """Compute the gradients of a batch with the gates of the training, and return the cost."""
        x, d = self._as_tensor(update.inputs), self._as_tensor(update.targets)
        with torch.enable_grad(), self._dropping(update) as dropping:
            outputs = self._forward(x)
        dropping.check()
        with torch.enable_grad():
            return self._backward(outputs, d, update.settings)

    def _evaluate(self, update: Update) -> tuple[np.ndarray, float, TensorRecorder]:
        """Return the outputs (patterns, units), the cost, and all tensors that may be states, in eval mode.

        Buffers of the module are restored.
        """
        buffers = copy.deepcopy(dict(self._module.named_buffers()))
        sizes = {layer.units * len(update.inputs) for layer in self._training.net.layers}
        self._module.eval()
        with torch.no_grad():
            x = self._as_tensor(update.inputs)
            with TensorRecorder(self._training.name, self._drops, sizes) as watching:
                outputs = self._forward(x)
            watching.check()
            cost = float(self._cost(outputs, self._as_tensor(update.targets)))
            for name, buffer in self._module.named_buffers():
                buffer.copy_(buffers[name])
        self._module.train()
        return outputs.cpu().numpy(), cost, watching

    # ---- What only the numbers tell ------------------------------------------------------------------------------

    def _settle(self, update: Update, known: UpdateResult) -> None:
        """Choose, by the states of the engine from the same weights, how the module arranges its numbers.

        That is: the arrangement of each parameter that fits in several, what forward returns, and the order of units
        where it drops.
        """
        self._is_settled = True
        outputs, _, watching = self._evaluate(update)
        best = self._agreeing(known, outputs, watching)
        if best < len(known.hidden) + 1:
            for number, pair in enumerate(self.pairs):
                for places in pair.others:
                    changed = replace(pair, places=places)
                    self._use(number, changed)
                    outputs, _, watching = self._evaluate(update)
                    agreeing = self._agreeing(known, outputs, watching)
                    if agreeing > best:
                        pair, best = changed, agreeing
                self._use(number, pair)
        outputs, _, watching = self._evaluate(update)
        if self._training.cost.takes_logits:
            self._kind = _kind_of(outputs, known.outputs)
        states = dict(zip((layer.name for layer in self._training.net.hidden), known.hidden))
        layers = {layer.name: layer for layer in self._training.net.layers}
        for number, (drop, x) in enumerate(zip(self._drops, watching.received)):
            if drop.layer in states:
                ours, theirs = (values.reshape(len(x), -1) for values in (states[drop.layer], x.cpu().numpy()))
                order = order_of_units(ours, theirs, tuple(x.shape[1:]), layers[drop.layer])
                self._drops[number] = replace(drop, order=order)

    def _use(self, number: int, pair: ParameterMatch) -> None:
        self.pairs[number] = pair
        pair.put(self._weights[pair.ours.name])

    def _agreeing(self, known: UpdateResult, outputs: np.ndarray, watching: TensorRecorder) -> int:
        """Return how many layers have states that the module computes too, in any order of units."""
        tensors = [np.sort(t.reshape(len(outputs), -1), axis=1) for t in _flattened(watching.tensors)]
        kind = _kind_of(outputs, known.outputs) if self._training.cost.takes_logits else ""
        count = int(bool(kind) or _is_near(known.outputs, outputs))
        for states in known.hidden:
            ours = np.sort(states.reshape(len(outputs), -1), axis=1)
            count += any(_is_near(ours, tensor) for tensor in tensors if tensor.shape == ours.shape)
        return count

    def _backward(self, outputs: Tensor, targets: Tensor, settings: Settings) -> Tensor:
        self._module.zero_grad()
        cost = self._cost(outputs, targets)
        if cost.requires_grad:
            with raising_faults("the gradient of the module cannot be computed", _METHODS_HINT):
                (cost / len(outputs) if settings.batch_mean else cost).backward()
        return cost

    def _as_tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.array(array)).to(self._device, self._dtype)

    def _as_input(self, inputs: np.ndarray) -> Tensor | tuple[Tensor, ...]:
        """Return inputs as forward takes them, once that is known: several tensors are a tuple."""
        x = self._as_tensor(inputs)
        if self._unrolled is not None:
            return _steps_and_context(x, self._unrolled, self._training.net)
        tensors = _shaped(x, self._shapes)
        return tensors[0] if len(tensors) == 1 else tensors

    def _cost(self, x: Tensor, d: Tensor) -> Tensor:
        """Return E summed over the patterns; x and d are (patterns, units)."""
        if callable(self._module_cost):
            with raising_faults("cost(outputs, targets) of the module fails", _METHODS_HINT):
                return torch.stack(
                    [_one_number(self._module_cost(x[i : i + 1], d[i : i + 1])) for i in range(len(x))]
                ).sum()
        if self._e is None and self._kind == "probabilities":
            return -(d * torch.log(x)).sum()
        if self._e is None:
            return coupled_cost(x, d, self._training.cost.rubbish)
        summed: Tensor = self._e({"x": x, "d": d, "n": float(x.shape[1])})[0].sum()
        return summed

    def _forward(self, x: Tensor) -> Tensor:
        """Return the outputs as (patterns, units). The first time, try the possible shapes of the input in turn."""
        with raising_faults("forward of the module fails", _METHODS_HINT):
            if self._unrolled is not None:
                result = self._module(*_steps_and_context(x, self._unrolled, self._training.net))
                of_steps: Tensor = result[0] if isinstance(result, tuple) else result
                last: Tensor = of_steps[-1].reshape(len(x), -1)
                return last
            if not self._shapes:
                self._shapes = self._find_input_shapes(x)
            outputs: Tensor = self._module(*_shaped(x, self._shapes)).reshape(len(x), -1)
            return outputs

    def _find_input_shapes(self, x: Tensor) -> Shapes:
        output, refused = self._training.net.layers[-1], []
        for shapes in self._possible_shapes():
            tried = " and ".join(str((len(x), *shape)) for shape in shapes)
            try:
                with torch.no_grad(), DropoutOverride(self._training.name, self._drops):
                    outputs = self._module(*_shaped(x, shapes))
            except (RuntimeError, ValueError, IndexError, TypeError) as error:
                refused.append(f"{tried}: {' '.join(str(error).split())[:200]}")
                continue
            if isinstance(outputs, Tensor) and outputs.numel() == len(x) * output.units:
                return shapes
            result_text = str(tuple(outputs.shape)) if isinstance(outputs, Tensor) else f"a {type(outputs).__name__}"
            refused.append(f"{tried}: returns {result_text}, not {(len(x), output.units)}")
        inputs = self._training.net.inputs
        if len(inputs) == 1:
            of, takes = f"layer {inputs[0].name}", "(patterns, maps, rows, columns) or (patterns, units)"
        else:
            of = f"the layers {', '.join(layer.name for layer in inputs)}"
            takes = f"a tensor for each of the {len(inputs)} input layers, or one with the units of all in a row"
        raise fail(
            f"the module accepts none of the input shapes of {of}: {'; '.join(refused)}",
            hint=f"forward must take {takes}, and return (patterns, {output.units})",
        )

    def _possible_shapes(self) -> list[Shapes]:
        """Return the shapes of tensors that `forward` may take: of each input layer, or of one row of all units."""
        each = []
        for layer in self._training.net.inputs:
            shapes = [layer.shape]
            if layer.maps is not None:
                shapes = [layer.maps, *([layer.maps[1:]] if layer.maps[0] == 1 else []), (layer.units,)]
            each.append(shapes)
        if len(each) == 1:
            return [(shape,) for shape in each[0]]
        return [*product(*each), ((self._training.net.input_units,),)]

    def find_lines(self, evidence: Evidence) -> ModuleLines:
        """Return the lines of the class that compute what is in the evidence. The module computes it once more."""
        for pair in self.pairs:
            pair.put(evidence.before[pair.ours.name])
        x, d = self._as_tensor(evidence.update.inputs), self._as_tensor(evidence.update.targets)
        names = [layer.name for layer in self._training.net.computed]
        states = dict(zip(names, [*evidence.one.hidden, evidence.one.outputs.reshape(-1)]))
        step = self._own_step
        learn = None if step is None else lambda: step.step(self._as_input(evidence.update.inputs), d)
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
                self._own_step.step(self._as_input(update.inputs), d)
                continue
            self._backward(self._forward(x), d, update.settings)
            self._learner.step(
                update.settings,
                update.number,
                lambda x=x, d=d, u=update: self._backward(self._forward(x), d, u.settings),  # type: ignore[misc]
            )
        return time.process_time() - began


def _steps_and_context(rows: Tensor, unrolled: Unrolled, net: Net) -> tuple[Tensor, Tensor]:
    """Return rows of an unrolled net as steps, (steps, rows, ...shape of the input), and the context before them."""
    steps = rows[:, unrolled.carried_units + unrolled.has_one :].reshape(len(rows), unrolled.steps, -1)
    return steps.transpose(0, 1).reshape(unrolled.steps, len(rows), *net.input_shape), rows[:, : unrolled.carried_units]


def _shaped(x: Tensor, shapes: Shapes) -> tuple[Tensor, ...]:
    """Return rows of inputs (patterns, units) as tensors of these shapes; as one row if there are none."""
    parts = x.split([prod(shape) for shape in shapes], 1) if len(shapes) > 1 else (x,)
    return tuple(part.reshape(len(x), *shape) for part, shape in zip(parts, shapes or ((-1,),)))


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

    def __init__(self, pairs: list[ParameterMatch], rule: UpdateRule, dtype: torch.dtype):
        self._pairs = pairs
        self._weights = FreeWeights(
            {pair.ours.name: pair.ours for pair in pairs}, rule, np.dtype(str(dtype).removeprefix("torch."))
        )

    def options(self, pairs: Sequence[ParameterMatch]) -> dict[str, dict[str, object]]:
        return {}

    def step(self, settings: Settings, number: int, compute: Callable[[], Tensor]) -> None:
        self._weights.load_parameters({pair.ours.name: pair.values() for pair in self._pairs})
        slopes = [pair.gradients()[0] for pair in self._pairs]
        g = np.concatenate([slope.reshape(-1) for slope in slopes]).astype(self._weights.dtype)
        with np.errstate(all="ignore"):
            self._weights.update(self._weights.environment(settings), g, {})
        for pair in self._pairs:
            pair.put(self._weights.values[pair.ours.name].reshape(pair.ours.shape))


class _ModuleOptimizer:
    """The result of `configure_optimizers()`: optimizers, and schedulers stepped after each pass or each update."""

    def __init__(self, configured: Any):
        self._optimizers, self._schedulers = _optimizers_and_schedulers(configured)
        self._number = 1

    @property
    def follows_passes(self) -> bool:
        """Whether its rates change from pass to pass only."""
        return all(interval == "epoch" for _, interval in self._schedulers)

    def options(self, pairs: Sequence[ParameterMatch]) -> dict[str, dict[str, object]]:
        """Return the options of each of our parameters, with the names of the classes of its optimizer."""
        groups = {
            id(parameter): {
                **{key: value for key, value in group.items() if key != "params"},
                "classes": tuple(part.__name__ for part in type(optimizer).__mro__),
            }
            for optimizer in self._optimizers
            for group in optimizer.param_groups
            for parameter in group["params"]
        }
        return {
            pair.ours.name: groups[id(pair.theirs.tensors[0])] for pair in pairs if id(pair.theirs.tensors[0]) in groups
        }

    def step(self, settings: Settings, number: int, compute: Callable[[], Tensor]) -> None:
        self.reach_pass(number)
        for optimizer in self._optimizers:
            if _wants_closure(optimizer):
                optimizer.step(compute)  # type: ignore[arg-type]  # LBFGS calls float() itself
            else:
                optimizer.step()
        self._step_schedulers("step")

    def reach_pass(self, number: int) -> None:
        """Step the schedulers once for each pass that is done."""
        while self._number < number:
            self._step_schedulers("epoch")
            self._number += 1

    def _step_schedulers(self, interval: str) -> None:
        for scheduler, when in self._schedulers:
            if when == interval:
                scheduler.step()


def _optimizers_and_schedulers(configured: Any) -> tuple[list[torch.optim.Optimizer], list[tuple[Any, str]]]:
    """Return the optimizers and the schedulers, with their interval, in what `configure_optimizers()` returns.

    That is an optimizer, (optimizer, scheduler), ([optimizers], [schedulers]), or Lightning's dictionary {"optimizer":
    ..., "lr_scheduler": ...}, whose scheduler may be a dictionary too: {"scheduler": ..., "interval": "epoch"}.
    """
    optimizers: list[torch.optim.Optimizer] = []
    schedulers: list[tuple[Any, str]] = []

    def add(part: Any, interval: str = "epoch") -> None:
        if isinstance(part, torch.optim.Optimizer):
            optimizers.append(part)
        elif isinstance(part, Mapping):
            for key in ("optimizer", "lr_scheduler", "scheduler"):
                if key in part:
                    add(part[key], str(part.get("interval", "epoch")))
        elif isinstance(part, (tuple, list)):
            for one in part:
                add(one)
        elif hasattr(part, "step"):
            schedulers.append((part, interval))
        else:
            optimizers.clear()
            raise ValueError

    with suppress(ValueError):
        add(configured)
    if not optimizers:
        raise fail(
            f"configure_optimizers() of the module returns a {type(configured).__name__}",
            hint="return an optimizer of torch.optim, (optimizer, scheduler), or a dictionary of the two",
        )
    return optimizers, schedulers


def _wants_closure(optimizer: torch.optim.Optimizer) -> bool:
    """Tell whether step() of an optimizer needs a closure that computes the cost again, as LBFGS does."""
    parameters = inspect.signature(optimizer.step).parameters
    return "closure" in parameters and parameters["closure"].default is inspect.Parameter.empty


def _flattened(tensors: Sequence[Tensor]) -> list[np.ndarray]:
    return [tensor.cpu().numpy().reshape(-1) for tensor in tensors]


def _is_near(one: np.ndarray, other: np.ndarray) -> bool:
    """Tell whether two arrays are equal but for what any rounding can cause."""
    return bool(np.abs(one - other).max(initial=0.0) <= 1e-4 * np.abs(one).max(initial=0.0))


def _kind_of(outputs: np.ndarray, logits: np.ndarray) -> str:
    """Return what outputs are of these logits: "probabilities", "log-probabilities", or "" for anything else."""
    if _is_near(logits, outputs):
        return ""
    logarithms = torch.log_softmax(torch.from_numpy(np.array(logits, np.float64)), 1).numpy()
    if _is_near(logarithms, outputs):
        return "log-probabilities"
    return "probabilities" if _is_near(np.exp(logarithms), outputs) else ""


def _restore(parameter: nn.Parameter, data: Tensor, grad: Tensor | None, values: Tensor) -> None:
    parameter.grad = None  # it may have another dtype
    parameter.data = data.copy_(values)
    parameter.grad = grad


def _restore_buffer(part: nn.Module, name: str, buffer: Tensor, values: Tensor) -> None:
    setattr(part, name, buffer.copy_(values))
