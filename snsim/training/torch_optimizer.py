"""The update rule and the schedule of a training as an optimizer of PyTorch. Imports torch at the start."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from snsim.engines.parameter_state import FreeWeights
from snsim.engines.plan import plan
from snsim.engines.protocol import Settings
from snsim.engines.torch.backward import BackwardPass, curvature_kinds, threads
from snsim.engines.torch.module import SnModule
from snsim.errors import fail, passes_text
from snsim.registry import suggest
from snsim.training.conjugate_gradient import curvature_along, finish_step, next_direction
from snsim.training.parameter_scopes import decays_of, rates_in_pass
from snsim.training.schedule import stage_of_pass, value_at
from snsim.training.spec import Stage, Training


class TrainingOptimizer(torch.optim.Optimizer):
    """An optimizer with the update rule, the rates and the schedule of a training.

    It begins with pass 1; `next_pass` moves to the next one. The `lr` of each group is the rate of its parameter (a
    tensor where its weights have rates of their own), its `decay` the weight decay. Both may be changed. How a step is
    taken depends on the rule:

    - Rules of first order (`sgd`, `adamw` ...): `loss.backward(); opt.step()`.
    - Rules that use curvature (`lm`, `newton`): `opt.step(x, d)`. The step computes states, gradients and second
      derivatives through the layers of the module. With `(curvature N)`, `opt.estimate_curvature(x, d)` must come
      before the first step of each pass.
    - `conjugate-gradient`: `opt.step(closure)`. The closure computes `opt.loss(net(x), d)`, calls `backward` on it and
      returns it.

    Shapes: x as the module takes it, d (patterns, output units); for one pattern, without the first axis. Dropout,
    shifts, noise and pruning belong to the training loop, and are not applied here. The update is computed by NumPy, in
    the type of the module, so that it equals that of the engines.
    """

    def __init__(self, module: SnModule, training: Training):
        self._module, self._training = module, training
        self._plan = plan(training.net)
        self._learning = [p for p in training.net.parameters if p.learns]
        self._by_name = {p.name: module.get_parameter(p.name) for p in self._learning}
        if not self._by_name:
            raise fail(
                f"net {training.net.name} has no weights that learn", training.net.span, hint="leave out (fixed V)"
            )
        first = next(iter(self._by_name.values()))
        self._dtype = np.dtype(str(first.dtype).removeprefix("torch."))
        self._backward = BackwardPass(self._plan, training.cost, module)
        self._held: Mapping[str, np.ndarray] | None = None
        self._losses: list[tuple[Tensor, Tensor]] | None = None  # outputs and targets of each loss in a closure
        self._key: tuple[Any, ...] | None = None
        self.number = 1
        stage = self._stage
        self._check(stage)
        groups = [{"params": [p], "name": name} for name, p in self._by_name.items()]
        super().__init__(groups, {"lr": 0.0, **{name: 0.0 for name in stage.options}})
        self._weights = FreeWeights(self._plan.parameters, stage.rule, self._dtype)
        self._share_state()
        self._schedule()

    @property
    def _stage(self) -> Stage:
        return stage_of_pass(self._training.stages, self.number)[0]

    @property
    def curvature(self) -> str | None:
        """Return the curvature that the rule uses: "gauss-newton", "full" or None."""
        return self._stage.rule.curvature

    # ---- Schedule ------------------------------------------------------------------------------------------------

    def next_pass(self) -> None:
        """Move the schedule to the next pass: rates, options, and the update rule where a new stage begins.

        SnError after the last pass of the training.
        """
        if self.number >= self._training.passes:
            raise fail(
                f"training {self._training.name} has {passes_text(self._training.passes)}, and this is the last one",
                self._training.span,
                hint="state more passes: (passes N)",
            )
        before = self._stage
        self.number += 1
        stage = self._stage
        if stage is not before:
            try:
                self._check(stage)
            except Exception:
                self.number -= 1
                raise
        if stage.rule != before.rule:
            self._weights = FreeWeights(self._plan.parameters, stage.rule, self._dtype)
            self._share_state()
        self._held = None
        self._schedule()

    def _check(self, stage: Stage) -> None:
        if stage.prune is not None:
            raise fail(
                f"pass {self.number} of training {self._training.name} prunes weights, which needs all patterns",
                self._training.span_of("stage", "prune"),
                hint="train it with snsim.run",
            )

    def _schedule(self) -> None:
        """Put the rates and options of this pass into the groups."""
        stage, inside = stage_of_pass(self._training.stages, self.number)
        rates = rates_in_pass(stage, self._training.net, inside, self._training.fan_in)
        options = {name: value_at(value, inside, stage.passes) for name, value in stage.options.items()}
        decays = decays_of(stage, self._training.net)
        for group in self.param_groups:
            rate = rates.get(group["name"], 0.0)
            group["lr"] = float(rate) if np.ndim(rate) == 0 else torch.from_numpy(np.asarray(rate, np.float64))
            group.update(options)
            if decays is not None:
                group["decay"] = decays[group["name"]]

    def _settings(self) -> Settings:
        """Return the settings of a step. They are the same object until a rate or an option changes."""
        stage, groups = self._stage, self.param_groups
        key = (
            *(group["lr"] if isinstance(group["lr"], float) else id(group["lr"]) for group in groups),
            *(group[name] for group in groups for name in stage.options),
            id(self._held),
            id(self._weights),
        )
        if self._key != key:
            rates = {
                group["name"]: group["lr"].numpy() if isinstance(group["lr"], Tensor) else float(group["lr"])
                for group in groups
            }
            options = {name: float(groups[0][name]) for name in stage.options}
            decays = {group["name"]: float(group["decay"]) for group in groups if "decay" in stage.options}
            own_decays = decays if stage.decays or len(set(decays.values())) > 1 else None
            self._now = Settings(rates, options, stage.batch or 1, stage.batch_mean, self._held, own_decays)
            self._key = key
        return self._now

    # ---- Steps ---------------------------------------------------------------------------------------------------

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the cost of the training, summed over the patterns (their mean with `(batch N mean)`).

        `outputs` as the module returns them, `targets` as many numbers. SnError if these differ.
        """
        rows = outputs.reshape(-1, self._plan.output_units)
        d = self._targets(targets, len(rows))
        if self._losses is not None:
            self._losses.append((rows.detach(), d))
        cost = self._backward.summed_cost(rows, d)
        return cost / float(len(rows)) if self._stage.batch_mean else cost

    @torch.no_grad()
    def step(
        self, x: Tensor | np.ndarray | Callable[[], Any] | None = None, d: Tensor | np.ndarray | None = None
    ) -> Any:
        """Update the weights once. See the class for what each rule takes.

        Parameters
        ----------
        x : tensor, or a function, or None
            The patterns, for a rule that uses curvature; a closure, for other rules; None where `backward` was called.
        d : tensor or None
            The targets of the patterns.

        Returns
        -------
        The loss that the closure returned, else None.

        Raises
        ------
        SnError
            For arguments that do not suit the rule, and for shapes that do not fit the net.
        """
        rule = self._stage.rule
        if rule.conjugate:
            if not callable(x) or d is not None:
                raise fail(
                    f"{rule.name} needs the gradient and the curvature of the whole set in one step",
                    hint="write opt.step(closure); the closure returns opt.loss(net(x), d) after backward()",
                )
            return self._conjugate_step(x)
        if rule.curvature is not None:
            if x is None or d is None or callable(x):
                raise fail(
                    f"{rule.name} uses second derivatives, which backward() does not compute: a step needs patterns",
                    hint="write opt.step(x, d) with patterns and targets, without backward()",
                )
            self._step_with_curvature(x, d)
            return None
        if d is not None or not (x is None or callable(x)):
            raise fail(
                f"{rule.name} uses first derivatives only, so step takes no patterns",
                hint="write opt.loss(net(x), d).backward(); opt.step()",
            )
        loss = None
        if callable(x):
            with torch.enable_grad():
                loss = x()
        self._update(self._gradient(), {})
        return loss

    def estimate_curvature(self, x: Tensor | np.ndarray, d: Tensor | np.ndarray) -> None:
        """Compute the curvature that `(curvature N)` holds during a pass: the mean over these patterns.

        SnError if the rule holds none.
        """
        kind = self.curvature
        if kind is None or self._stage.curvature_patterns is None:
            raise fail(
                f"the update rule of training {self._training.name} states no (curvature N): there is none to estimate",
                hint="write (curvature N) in the update rule, or leave this call out",
            )
        rows, targets = self._patterns(x, d)
        with torch.enable_grad(), np.errstate(all="ignore"):
            self._held = self._weights.shaped(self._backward.mean_curvature(rows, targets, kind))

    def _step_with_curvature(self, x: Any, d: Any) -> None:
        stage = self._stage
        if stage.curvature_patterns is not None and self._held is None:
            raise fail(
                f"training {self._training.name} holds a curvature, and this pass has none yet",
                hint=f"write opt.estimate_curvature(x, d) with {stage.curvature_patterns} patterns before each pass",
            )
        rows, targets = self._patterns(x, d)
        kinds = [] if self._held is not None else curvature_kinds(stage.rule)
        divisor = float(len(rows)) if stage.batch_mean else 1.0
        with torch.enable_grad(), np.errstate(all="ignore"), threads(1 if len(rows) == 1 else None):
            g, curvatures = self._backward(rows, targets, kinds, divisor)
        self._update(g, curvatures)

    def _conjugate_step(self, closure: Callable[[], Any]) -> Any:
        """Take a step of conjugate gradient, see `training.conjugate_gradient`."""
        self._losses, inputs = [], []
        hook = self._module.register_forward_pre_hook(lambda module, arguments: inputs.append(arguments[0].detach()))
        try:
            with torch.enable_grad():
                loss = closure()
            losses = self._losses
        finally:
            self._losses = None
            hook.remove()
        if not losses or len(losses) != len(inputs):
            raise fail(
                f"the closure called the module {len(inputs)} times and opt.loss {len(losses)} times",
                hint="compute each loss as opt.loss(net(x), d), so that the step knows outputs and targets",
            )
        self._read_weights()
        gradient = {
            name: g.astype(self._dtype) for name, g in self._weights.shaped(self._gradient().astype(np.float64)).items()
        }
        state = self._weights.state()
        direction = next_direction(gradient, state)
        curvature = float(self.param_groups[0]["mu"])
        along = {name: torch.from_numpy(direction[name]).to(p.device) for name, p in self._by_name.items()}
        at = {name: p.detach() for name, p in self._by_name.items()}
        summed = 0.0
        for x, (outputs, d) in zip(inputs, losses):
            rows = self._module._rows(x)[0]

            def forward(weights: dict[str, Tensor], rows: Tensor = rows) -> Tensor:
                result: Tensor = torch.func.functional_call(self._module, weights, (rows,))
                return result.reshape(len(rows), -1)

            tangents = torch.func.jvp(forward, (at,), (along,))[1]
            summed += curvature_along(
                self._training.cost, outputs.cpu().numpy(), tangents.detach().cpu().numpy(), d.cpu().numpy()
            )
        finish_step(self._weights, gradient, direction, state, summed + curvature, self.number)
        self._write_weights()
        return loss

    # ---- Weights and state ---------------------------------------------------------------------------------------

    def _gradient(self) -> np.ndarray:
        """Return the gradients in one vector; 0 where there is none."""
        return np.concatenate(
            [
                np.zeros(p.numel(), self._dtype) if p.grad is None else p.grad.detach().cpu().numpy().reshape(-1)
                for p in self._by_name.values()
            ]
        )

    def _update(self, g: np.ndarray, curvatures: Mapping[str, np.ndarray]) -> None:
        self._read_weights()
        with np.errstate(all="ignore"):
            self._weights.update(self._weights.environment(self._settings()), g, curvatures)
        self._write_weights()

    def _read_weights(self) -> None:
        """Take over the weights of the module, which may have been loaded since the last step."""
        for name, place in self._weights.places.items():
            self._weights.w[place] = self._by_name[name].detach().cpu().numpy().reshape(-1)

    def _write_weights(self) -> None:
        for name, place in self._weights.places.items():
            parameter = self._by_name[name]
            parameter.copy_(torch.from_numpy(self._weights.w[place]).reshape(parameter.shape))

    def _share_state(self) -> None:
        """Let `self.state` show the state of the rule: tensors on its memory."""
        self.state.clear()
        for name, parameter in self._by_name.items():
            place = self._weights.places[name]
            self.state[parameter] = {
                state: torch.from_numpy(vector[place]).reshape(parameter.shape)
                for state, vector in self._weights.states.items()
            }

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the rule, the groups, and under "snsim" the pass and the number of updates."""
        return {**super().state_dict(), "snsim": {"pass": self.number, "updates": int(self._weights.state()["n"])}}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Set what `state_dict` returned, for a training of the same net."""
        about = state_dict.get("snsim")
        if not isinstance(about, Mapping) or not {"pass", "updates"} <= set(about):
            raise fail(
                "this state was not written by an optimizer of snsim", hint="load what opt.state_dict() returned"
            )
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "snsim"})
        loaded = {
            f"{name}/{state}": value.cpu().numpy()
            for name, parameter in self._by_name.items()
            for state, value in self.state[parameter].items()
        }
        self.number, self._held = int(about["pass"]), None
        self._weights = FreeWeights(self._plan.parameters, self._stage.rule, self._dtype)
        self._weights.load_state({**loaded, "n": np.array(int(about["updates"]))})
        self._share_state()

    # ---- Shapes --------------------------------------------------------------------------------------------------

    def _patterns(self, x: Any, d: Any) -> tuple[Tensor, Tensor]:
        anchor = next(iter(self._by_name.values()))
        rows = self._module._rows(torch.as_tensor(x).to(anchor.device, anchor.dtype))[0]
        return rows, self._targets(d, len(rows))

    def _targets(self, d: Any, patterns: int) -> Tensor:
        anchor = next(iter(self._by_name.values()))
        targets = torch.as_tensor(d).to(anchor.device, anchor.dtype)
        units = self._plan.output_units
        if targets.numel() != patterns * units:
            raise fail(
                f"targets of shape {tuple(targets.shape)} for {patterns} patterns of {units} outputs",
                hint=f"pass a tensor of shape ({patterns}, {units})",
            )
        return targets.reshape(patterns, units)


class OptimizerMaker:
    """Makes the optimizer of a module, for the trainings of its net. It is a class so that modules can be pickled."""

    def __init__(self, trainings: Iterable[Training], default: str | None):
        self._trainings = {training.name: training for training in trainings}
        self._default = default

    def __call__(self, module: SnModule, name: str | None) -> TrainingOptimizer:
        chosen = self._default if name is None else name
        if chosen not in self._trainings:
            raise fail(
                f'this module has no training "{chosen}"',
                hint=suggest(str(chosen), list(self._trainings), "trainings of its net"),
            )
        return TrainingOptimizer(module, self._trainings[chosen])
