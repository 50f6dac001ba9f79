"""Several nets of one plan that learn at the same time: `torch.func.vmap` over their weights.

One net that learns one pattern at a time keeps a GPU idle. A thousand of them, which differ in their weights and in the
order of their patterns alone, fill it: every step presents one batch to each net. Each net is an `Engine` of its own,
so that the training loop, the records and the reports are those of a single run. `learn` only notes the patterns; the
group computes them for all nets when the weights or the outputs of one of them are asked for, or by `compute`.

Each net computes what the torch engine computes for it alone, up to rounding: products of stacked matrices are summed
in another order, and the update is computed by PyTorch, not by NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from snsim.engines.parameter_state import WeightShapes, check_gates, check_patterns
from snsim.engines.plan import Plan
from snsim.engines.protocol import NO_GATES, NO_NOISES, Cost, Settings, UpdateRule
from snsim.engines.torch.backward import BackwardPass, curvature_kinds, threads
from snsim.engines.torch.curvature import Curvature
from snsim.engines.torch.engine import TorchEngine
from snsim.engines.torch.module import SnModule
from snsim.engines.torch.operations import TORCH
from snsim.network.expressions import compile_expressions

_Step = Callable[..., tuple[Tensor, tuple[Tensor, ...]]]
_NAME = "net."  # before the names of parameters in a `_Pattern`


@dataclass(frozen=True, eq=False)
class _Noted:
    """Patterns that a net has still to learn: tensors (patterns, units)."""

    x: Tensor
    d: Tensor
    gates: Mapping[int, Tensor]
    noises: Mapping[int, Tensor]
    settings: Settings
    key: tuple[Any, ...]  # what nets that step together must have in common


class NetTogether:
    """One net of a group; satisfies `snsim.engines.protocol.Engine`."""

    name = "torch"
    keeps_chunks = True  # what it learns does not depend on how the patterns are divided into calls

    def __init__(self, group: NetsTogether, number: int):
        self._group, self._number = group, number
        self.dtype, self.rule = group.dtype, group.rule
        self.patterns_of_call = group.patterns_of_call
        self.updates = 0
        self.noted: _Noted | None = None
        self._last: tuple[Settings, tuple[Any, ...]] | None = None

    @property
    def nets_at_once(self) -> int:
        """The number of nets that share the time of this thread."""
        return self._group.count

    @property
    def device(self) -> torch.device:
        return self._group.single.device

    def parameters(self) -> dict[str, np.ndarray]:
        return self._alone().parameters()

    def load_parameters(self, values: Mapping[str, np.ndarray]) -> None:
        self._group.compute()
        row = torch.from_numpy(self._group.shapes.flat(values, "weights"))
        self._group.w[self._number] = row.to(self.device)

    def state(self) -> dict[str, np.ndarray]:
        self._group.compute()
        places, shapes = self._group.shapes.places, {p.name: p.shape for p in self._group.plan.parameters.values()}
        arrays = {}
        for state, rows in self._group.states.items():
            row = rows[self._number].cpu().numpy()
            arrays.update(
                {f"{name}/{state}": row[place].reshape(shapes[name]).copy() for name, place in places.items()}
            )
        return {**arrays, "n": np.array(self.updates)}

    def load_state(self, values: Mapping[str, np.ndarray]) -> None:
        self._group.compute()
        states, self.updates = self._group.shapes.checked_state(values)
        for state, arrays in states.items():
            row = torch.from_numpy(self._group.shapes.flat(arrays, f'state "{state}"'))
            self._group.states[state][self._number] = row.to(self.device)

    def learn(
        self,
        inputs: np.ndarray,
        targets: np.ndarray,
        settings: Settings,
        gates: Mapping[str, np.ndarray] = NO_GATES,
        noises: Mapping[str, np.ndarray] = NO_NOISES,
    ) -> None:
        """Note the patterns: the group learns them with those of the other nets, at the latest at the next call."""
        if self.noted is not None:
            self._group.compute()
        plan, dtype = self._group.plan, self.dtype
        x = check_patterns(inputs, plan.input_units, "input", dtype)
        d = check_patterns(targets, plan.output_units, "target", dtype, len(x))
        factors, added = (
            {layer: torch.from_numpy(values) for layer, values in check_gates(drawn, plan, dtype, len(x), what).items()}
            for drawn, what in ((gates, "gate"), (noises, "noise"))
        )
        if self._last is None or self._last[0] is not settings:
            self._last = settings, self._group.key_of(settings)
        key = (*self._last[1], len(x), tuple(factors), tuple(added))
        self.noted = _Noted(torch.tensor(x), torch.tensor(d), factors, added, settings, key)

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        return self._alone().outputs(inputs)

    def states(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        return self._alone().states(inputs)

    def curvature(self, inputs: np.ndarray, targets: np.ndarray, kind: str) -> dict[str, np.ndarray]:
        return self._alone().curvature(inputs, targets, kind)

    def gradient(self, inputs: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
        return self._alone().gradient(inputs, targets)

    def tangents(self, inputs: np.ndarray, direction: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        return self._alone().tangents(inputs, direction)

    def _alone(self) -> TorchEngine:
        """Return the torch engine with the weights of this net."""
        self._group.compute()
        row = self._group.w[self._number].cpu().numpy()
        shapes = {p.name: p.shape for p in self._group.plan.parameters.values()}
        places = self._group.shapes.places
        self._group.single.load_parameters({name: row[place].reshape(shapes[name]) for name, place in places.items()})
        return self._group.single


class NetsTogether:
    """A group of nets that learn at the same time. `nets` are their engines, with all weights 0.

    `w` has the weights that learn, (nets, weights); `states` one tensor like it for each state of the rule.
    """

    def __init__(
        self,
        plan: Plan,
        cost: Cost,
        rule: UpdateRule,
        dtype: np.dtype,
        count: int,
        patterns_of_call: int,
        device: str | None = None,
    ):
        self.plan, self.rule, self.dtype = plan, rule, np.dtype(dtype)
        self.count, self.patterns_of_call = count, patterns_of_call
        self.single = TorchEngine(plan, cost, rule, dtype)
        if device is not None:
            self.single.move_to(device)
        self.shapes = WeightShapes(plan.parameters, rule, self.dtype)
        kind, place = getattr(torch, self.dtype.name), self.single.device
        self.w = torch.zeros((count, self.shapes.size), dtype=kind, device=place)
        self.states = {name: torch.zeros_like(self.w) for name in rule.states}
        self.nets = [NetTogether(self, number) for number in range(count)]
        self._of_one = _OneNet(plan, cost, self.single.module)
        self._groups = [
            ([name for name, _ in group], compile_expressions([e for _, e in group]).bind(TORCH))
            for group in rule.assignments
        ]
        self._steps: dict[tuple[Any, ...], _Step] = {}

    def key_of(self, settings: Settings) -> tuple[Any, ...]:
        """Return everything in the settings that nets must have in common to step together."""
        rates = self.shapes.flat(settings.rates, "learning rate") if "rate" in self.rule.mentions else np.zeros(0)
        decays = settings.decays
        return (
            rates.tobytes(),
            tuple(sorted(settings.options.items())),
            settings.batch,
            settings.batch_mean,
            None if decays is None else tuple(sorted(decays.items())),
            settings.held_curvature is None,
        )

    def compute(self) -> None:
        """Let all nets learn the patterns that they have noted."""
        together: dict[tuple[Any, ...], dict[int, _Noted]] = {}
        for number, net in enumerate(self.nets):
            if net.noted is not None:
                together.setdefault((net.updates, *net.noted.key), {})[number] = net.noted
                net.noted = None
        for noted in together.values():
            self._learn(list(noted), list(noted.values()))

    def _learn(self, numbers: Sequence[int], noted: Sequence[_Noted]) -> None:
        """Let some nets, which have the same settings and number of updates, learn their patterns in steps."""
        settings, place = noted[0].settings, self.w.device
        rows = torch.tensor(numbers, device=place)
        all_of_them = len(numbers) == self.count
        x, d = (torch.stack([getattr(n, which) for n in noted]).to(place) for which in "xd")
        gates, noises = (
            {
                layer: torch.stack([getattr(n, which)[layer] for n in noted]).to(place)
                for layer in getattr(noted[0], which)
            }
            for which in ("gates", "noises")
        )
        env: dict[str, Any] = {
            name: (v if all_of_them else v[rows]) for name, v in {"w": self.w, **self.states}.items()
        }
        env |= self._constants(noted)
        kinds = () if settings.held_curvature is not None else tuple(curvature_kinds(self.rule))
        frozen = self._frozen(settings)
        updates = self.nets[numbers[0]].updates
        with threads(1 if settings.batch == 1 and place.type == "cpu" else None):
            for start in range(0, x.shape[1], settings.batch):
                part = slice(start, start + settings.batch)
                of_part = [{layer: values[:, part] for layer, values in drawn.items()} for drawn in (gates, noises)]
                divisor = float(x[:, part].shape[1]) if settings.batch_mean else 1.0
                step = self._step(kinds, tuple(gates), tuple(noises))
                g, curvatures = step(env["w"], x[:, part], d[:, part], *of_part, divisor)
                updates += 1
                env |= {"n": float(updates), "g": g, **{name: h for (name, _), h in zip(kinds, curvatures)}}
                self._update(env, frozen)
        if not all_of_them:
            for name, vectors in {"w": self.w, **self.states}.items():
                vectors[rows] = env[name]
        for number in numbers:
            self.nets[number].updates = updates

    def _step(self, kinds: tuple[tuple[str, str], ...], gated: tuple[int, ...], noisy: tuple[int, ...]) -> _Step:
        """Return the function that computes g, and the curvatures, of every net for its batch."""
        key = kinds, gated, noisy
        if key not in self._steps:

            def of_one(*arguments: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
                return self._of_one(self.shapes.places, kinds, *arguments)

            self._steps[key] = torch.func.vmap(of_one, in_dims=(0, 0, 0, 0, 0, None))
        return self._steps[key]

    def _constants(self, noted: Sequence[_Noted]) -> dict[str, Any]:
        """Return the variables of the rule that are constant in these steps: options, rates, held curvature."""
        settings = noted[0].settings
        env: dict[str, Any] = {name: float(settings.options.get(name, v)) for name, v in self.rule.options}
        if "rate" in self.rule.mentions:
            env["rate"] = self._vector(settings.rates, "learning rate")
        if settings.decays is not None:
            env["decay"] = self._vector(settings.decays, "decay")
        if settings.held_curvature is not None:
            held = [self.shapes.flat(n.settings.held_curvature or {}, "curvature") for n in noted]
            env["h"] = env["h-full"] = torch.from_numpy(np.stack(held)).to(self.w.device)
        return env

    def _vector(self, values: Mapping[str, Any], what: str) -> Tensor:
        return torch.from_numpy(self.shapes.flat(values, what)).to(self.w.device)

    def _frozen(self, settings: Settings) -> Tensor | None:
        """Return a mask of the weights whose parameter has the rate 0, or None if there is none."""
        if "rate" not in self.rule.mentions:
            return None
        mask = np.zeros(self.shapes.size, bool)
        for name, place in self.shapes.places.items():
            mask[place] = not np.any(settings.rates[name])
        return torch.from_numpy(mask).to(self.w.device) if mask.any() else None

    def _update(self, env: dict[str, Any], frozen: Tensor | None) -> None:
        """Apply the rule once: its groups in order, each computed whole before any value is assigned."""
        before = None if frozen is None else {name: env[name].clone() for name in ("w", *self.states)}
        for names, right_sides in self._groups:
            values = right_sides(env)
            if len(names) > 1:  # a right side may itself be what another one assigns to
                values = tuple([torch.as_tensor(value).clone() for value in values])
            for name, value in zip(names, values):
                env[name].copy_(torch.as_tensor(value))
        for name, kept in (before or {}).items():
            assert frozen is not None
            torch.where(frozen, kept, env[name], out=env[name])


class _Pattern(nn.Module):
    """The summed cost of some patterns as a function of the module's weights and of numbers added to its states."""

    def __init__(self, net: SnModule, backward: BackwardPass):
        super().__init__()
        self.net = net
        self._cost = backward.summed_cost

    def forward(
        self, x: Tensor, d: Tensor, gates: Mapping[int, Tensor], noises: Mapping[int, Tensor], shifts: Sequence[Tensor]
    ) -> tuple[Tensor, tuple[list[Tensor], list[Tensor]]]:
        states, sums = self.net._states_and_sums(x, gates, noises, bool(shifts), shifts)
        return self._cost(states[-1], d), (states, sums)


class _SecondPass(nn.Module):
    """The curvature of the module's weights."""

    def __init__(self, net: SnModule, curvature: Curvature):
        super().__init__()
        self.net = net
        self._curvature = curvature

    def forward(self, *arguments: Any) -> dict[str, Tensor]:
        return self._curvature(*arguments)


class _OneNet:
    """The gradient and the curvatures of one net for one batch, by functions of torch.func alone."""

    def __init__(self, plan: Plan, cost: Cost, module: SnModule):
        self._plan = plan
        self._pattern = _Pattern(module, BackwardPass(plan, cost, module))
        self._second = _SecondPass(module, Curvature(plan, cost, module))
        self._learning = {p.name: p.shape for p in plan.parameters.values() if p.learns}

    def __call__(
        self,
        places: Mapping[str, slice],
        kinds: Sequence[tuple[str, str]],
        w: Tensor,
        x: Tensor,
        d: Tensor,
        gates: Mapping[int, Tensor],
        noises: Mapping[int, Tensor],
        divisor: float,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return g and the curvatures, (weights,), summed over the patterns and divided by `divisor`."""

        def cost(named: dict[str, Tensor], shifts: list[Tensor]) -> tuple[Tensor, tuple[list[Tensor], list[Tensor]]]:
            summed, about = torch.func.functional_call(self._pattern, named, (x, d, gates, noises, shifts))
            return summed, about

        named = self._named(places, w)  # outside `cost`: the derivative of a slice is a vector of all weights
        shifts = [x.new_zeros((len(x), stage.units)) for stage in self._plan.stages] if kinds else []
        (slopes, of_states), (states, sums) = torch.func.grad(cost, argnums=(0, 1), has_aux=True)(named, shifts)
        g = torch.cat([slope.reshape(-1) for slope in slopes.values()])
        curvatures = []
        for _, kind in kinds:
            by_name = torch.func.functional_call(self._second, named, (states, sums, of_states, d, kind, gates))
            parts = [by_name[name] if name in by_name else torch.zeros_like(w[places[name]]) for name in self._learning]
            curvatures.append(torch.cat(parts) / divisor)
        return g / divisor, tuple(curvatures)

    def _named(self, places: Mapping[str, slice], w: Tensor) -> dict[str, Tensor]:
        return {_NAME + name: w[places[name]].reshape(shape) for name, shape in self._learning.items()}
