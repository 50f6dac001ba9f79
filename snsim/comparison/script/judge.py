"""Judge the events of a watched script against a description, in the order of `result.KINDS`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from snsim import engines
from snsim.comparison.engine_side import _GRADIENT
from snsim.comparison.first_difference import closest
from snsim.comparison.script.distribution_fit import fit_initial
from snsim.comparison.script.events import Event, Place, place_of
from snsim.comparison.script.expected_update import ExpectedUpdate, PassSettings, keeps_no_state
from snsim.comparison.script.find_patterns import PatternFinder
from snsim.comparison.script.presentation_order import judge_order
from snsim.comparison.script.presented_patterns import judge_inputs, judge_targets
from snsim.comparison.script.printed_figures import FigureJudge
from snsim.comparison.script.result import NO_SIDES, ScriptComparison, ScriptDifference
from snsim.comparison.script.roles import Roles, ScriptParameter, find_roles
from snsim.comparison.script.step_causes import explain_optimizer, explain_step
from snsim.comparison.where_states_differ import where_states_differ
from snsim.engines.plan import plan
from snsim.engines.protocol import Engine, Settings
from snsim.network.expressions import evaluate
from snsim.training.prepare import PreparedData
from snsim.training.scores import mean_cost
from snsim.training.spec import Training

_NOT_COMPUTED = ("flatten", "reshape", "view", "pad", "__getitem__", "squeeze", "unsqueeze", "permute", "contiguous")
_FACTOR_PRESENTATIONS = 50  # for which a factor must hold before it is reported


class Judge:
    """Compares what a script did with a description, event by event. `comparison` is the result so far."""

    def __init__(self, training: Training, data: PreparedData, engine: str, comparison: ScriptComparison):
        self.training, self.data, self.comparison = training, data, comparison
        self.net = training.net
        self.patterns = len(data.train)
        self.finder = PatternFinder(data)
        self.roles: Roles | None = None
        self.parameters: list[ScriptParameter] = []
        self._engine_name = engine
        self._plan = plan(self.net)
        self._engines: dict[str, Engine] = {}
        self.weights: np.ndarray | None = None
        self.weights_number = -1
        self._open: list[_Backward] = []
        self._presented = 0  # patterns
        self._backwards = 0
        self.batch = 1
        self._expected: tuple[ExpectedUpdate, ExpectedUpdate] | None = None
        self._state_known = True
        self._settings: dict[int, PassSettings] = {}
        self._output_form = ""
        self._prints: list[np.ndarray] = []
        self.optimizers: list[Event] = []
        self._modes: list[str] = []
        self.cost_factors: list[float] = []
        self.agreed_steps = 0
        self._previous_move: np.ndarray | None = None
        self.figures = FigureJudge(self)

    # ---- Findings ------------------------------------------------------------------------------------------------

    def differ(
        self,
        kind: str,
        message: str,
        presentation: int | None = None,
        place: Place | None = None,
        layer: str = "",
        notes: Iterable[str] = (),
        at_end: bool = False,
        sides: Mapping[str, tuple[np.ndarray, np.ndarray]] = NO_SIDES,
    ) -> None:
        """Add a difference, if it is the first one of its kind."""
        if not self.has(kind):
            self.comparison.differences.append(
                ScriptDifference(kind, message, presentation, place, layer, tuple(n for n in notes if n), at_end, sides)
            )

    def has(self, *kinds: str) -> bool:
        return any(one.kind in kinds for one in self.comparison.differences)

    def noted(self, word: str) -> bool:
        """Tell whether a note on the comparison has this word."""
        return any(word in note for note in self.comparison.notes)

    # ---- Events --------------------------------------------------------------------------------------------------

    def take(self, event: Event) -> None:
        """Judge one event."""
        handler = getattr(self, f"_take_{event.kind.replace(' ', '_')}", None)
        if handler is not None:
            handler(event)

    def _take_leaves(self, event: Event) -> None:
        if self.roles is not None:
            return  # weights that join later are outside of the comparison
        start, parameters = 0, []
        for name, shape, use, _ in event["leaves"]:
            parameters.append(ScriptParameter(name, tuple(shape), use, start))
            start += parameters[-1].size
        self.parameters, self._modes = parameters, event["modes"]
        self.roles = find_roles(self.net, parameters)
        self.comparison.dtype = event["dtype"]
        if not event["modules"]:
            self.comparison.notes.append("the net is made of plain tensors: there are no modules to look into")
        ours = sum(p.size for p in self.net.parameters if p.learns)
        self.comparison.counts = (start, ours)
        self.comparison.parameters = [(name, " + ".join(names)) for name, names in self.roles.joined.items()]
        if self.roles.faults:
            first, *others = self.roles.faults
            counts = "" if start == ours else f"the script learns {start:,} weights, the description {ours:,}"
            self.differ(
                "architecture",
                first.message,
                None,
                place_of(event["place"]),
                first.layer,
                [*(other.message for other in others), counts],
            )

    def _take_weights(self, event: Event) -> None:
        w, number = event.arrays["w"].astype(np.float64), event["snapshot"]
        before = self.weights
        self.weights, self.weights_number = w, number
        if before is None or self.roles is None or len(before) != len(w):
            if self.roles is not None and number == 0:
                self._judge_initial(w)
            return
        if self._open:
            self._judge_step(before, w, place_of(event["place"]))
        elif self._state_known and self._backwards == event["number"]:
            self._judge_stray_change(before, w, event)

    def _take_changed_gradient(self, event: Event) -> None:
        """Judge gradients that are no longer those of the backward pass when the optimizer steps."""
        if not self._open or self.roles is None:
            return
        last, now = self._open[-1], event.arrays["grad"].astype(np.float64)
        before = last.event.arrays["grad"].astype(np.float64)
        last.event.arrays["grad"] = now
        if not np.any(now):
            self.differ(
                "zero_grad",
                "the gradients are cleared between the backward pass and the step, so no weight moves",
                last.first,
                place_of(event["place"]),
                notes=["call optimizer.zero_grad() before backward(), or after step()"],
            )
            return
        self.differ(
            "gradient",
            "the gradients are changed between the backward pass and the step",
            last.first,
            place_of(event["place"]),
            notes=[_factor_text("gradients", before, now)],
        )

    def _take_step(self, event: Event) -> None:
        if self._open and self.weights is not None and self.roles is not None:
            self._judge_step(self.weights, self.weights, place_of(event["place"]))

    def _take_optimizer(self, event: Event) -> None:
        self.optimizers.append(event)
        if not self.comparison.optimizer:
            settings = event["groups"][0]["settings"] if event["groups"] else {}
            shown = ", ".join(
                f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
                for key, value in settings.items()
                if key in ("lr", "momentum", "weight_decay", "betas", "nesterov", "amsgrad")
                and value not in (0, False, None)
            )
            self.comparison.optimizer = f"{event['name']}({shown})"

    def _take_prints(self, event: Event) -> None:
        self._prints.append(event.arrays["prints"])

    def _take_printed(self, event: Event) -> None:
        self.figures.take_printed(event)

    def _take_evaluation(self, event: Event) -> None:
        self.figures.take_evaluation(event)
        if self._modes and event["training"]:
            self.differ(
                "mode",
                f"the script evaluates in train() mode, with {', '.join(self._modes)}",
                event["presented"],
                place_of(event["place"]),
                notes=["call model.eval() before an evaluation, and model.train() after it"],
            )

    def _take_full(self, event: Event) -> None:
        self.comparison.notes.append(
            f"its weights are so many that only the first {event['presented']:,} presentations were watched"
        )

    def _take_broken(self, event: Event) -> None:
        self.comparison.notes.append("watching ended early: " + event["text"].strip().split("\n")[-1][:200])

    # ---- Initial weights -----------------------------------------------------------------------------------------

    def _judge_initial(self, w: np.ndarray) -> None:
        assert self.roles is not None
        for p in self.net.parameters:
            places = self.roles.places.get(p.name)
            if not p.learns or places is None or (places < 0).any() or p.kind == "gain":
                continue
            values = w[np.unique(places)] if len(np.unique(places)) < p.size else w[places]
            fit = fit_initial(self.net, self.training, p, values)
            self.comparison.initial.append(fit)
        if self.training.initial_file is not None:
            return
        wrong = [fit for fit in self.comparison.initial if not fit.agrees]
        if wrong:
            fit = wrong[0]
            self.differ(
                "initial weights",
                f"{fit.parameter}: {fit.fits}; the description declares {fit.declared}",
                None,
                None,
                fit.layer,
                [
                    f"its {fit.count:,} weights go from {fit.low:.4g} to {fit.high:.4g}, mean {fit.mean:.3g}, "
                    f"deviation {fit.deviation:.3g}; the declared distribution gives such weights with probability "
                    f"{fit.probability:.1e}",
                    *(f"{other.parameter}: {other.fits}; declared {other.declared}" for other in wrong[1:]),
                ],
            )

    # ---- One backward pass ---------------------------------------------------------------------------------------

    def _take_backward(self, event: Event) -> None:
        number, batch = event["number"], max(1, event["batch"])
        if number > self._backwards:
            self._state_known = False
            self._open.clear()
        self.batch = batch
        self._backwards = number + 1
        first = event["presented"] + 1
        self._presented = event["presented"] + batch
        self.comparison.watched += batch
        if self.roles is None or self.weights is None:
            return
        settings = self.pass_settings(first)
        inputs, targets = judge_inputs(self, event, first, batch)
        self._judge_mode(event, first)
        if inputs is None:
            self._open.append(_Backward(event, first, None, None, None, True))
            return
        x = inputs
        d = judge_targets(self, event, first, targets)
        if not self.roles.is_complete(self.net) or x.shape[1] != self.net.input_units or d is None:
            self._open.append(_Backward(event, first, x, d, None, True))
            return
        gates, is_dropped = self._gates(event, first, batch, settings)
        self._count_misses(event, x, d, is_dropped)
        has_forward = self._judge_forward(event, first, x, gates, is_dropped)
        ours = self._gradients(x, d, gates)
        is_right = self._judge_cost_and_gradient(event, first, x, d, gates, ours, settings, has_forward)
        self._open.append(_Backward(event, first, x, d, ours, is_right))

    def _count_misses(self, event: Event, x: np.ndarray, d: np.ndarray, is_dropped: bool) -> None:
        """Hand the outputs of a presentation to the judge of figures: a script may count misses while it learns."""
        y = event.arrays.get("y")
        if y is not None and y.size == d.size:
            self.figures.take_outputs(event["presented"], y.reshape(d.shape).astype(np.float64), d)
        elif not is_dropped:
            self.figures.take_outputs(event["presented"], self._states(x, "float64")[self.net.layers[-1].name], d)

    def pass_settings(self, presentation: int) -> PassSettings:
        """Return the settings of the description at a presentation, from 1."""
        number = (presentation - 1) // self.patterns + 1
        if number not in self._settings:
            self._settings[number] = PassSettings.of(self.training, number, self.patterns)
        return self._settings[number]

    def _judge_mode(self, event: Event, first: int) -> None:
        if self._modes and event["training"] is False:
            self.differ(
                "mode",
                f"the script learns in eval() mode, with {', '.join(self._modes)}",
                first,
                place_of(event["forward_place"]),
                notes=["call model.train() before each pass: an evaluation leaves the model in eval() mode"],
            )

    # ---- Forward -------------------------------------------------------------------------------------------------

    def engine(self, dtype: str = "float64") -> Engine:
        """Return an engine that subtracts the gradient in an update."""
        if dtype not in self._engines:
            self._engines[dtype] = engines.build(
                self._engine_name, self._plan, self.training.cost, _GRADIENT, np.dtype(dtype)
            )
        return self._engines[dtype]

    @property
    def epsilon(self) -> float:
        return float(np.finfo(self.comparison.dtype if self.comparison.dtype == "float64" else "float32").eps)

    def _gates(
        self, event: Event, first: int, batch: int, settings: PassSettings
    ) -> tuple[dict[str, np.ndarray], bool]:
        """Return the gates that the script drew, by layer, and whether it drops anything."""
        declared = dict(settings.stage.dropout)
        gates: dict[str, np.ndarray] = {}
        layers = [layer for layer in self.net.layers if layer.name in declared]
        seen = [(fields, event.arrays[f"gate{k}"]) for k, fields in enumerate(event["gates"])]
        if len(seen) != len(layers) and event["training"] is not False:
            names = ", ".join(layer.name for layer in layers) or "none"
            self.differ(
                "forward",
                f"the script drops {len(seen)} layers; the description drops {names}",
                first,
                place_of(event["forward_place"]),
                layers[0].name if layers else "",
            )
        for layer, (fields, gate) in zip(layers, seen):
            if abs(fields["p"] - declared[layer.name]) > 1e-9 or gate.size != batch * layer.units:
                self.differ(
                    "forward",
                    f"dropout of layer {layer.name} has probability {fields['p']:g}; in the description "
                    f"{declared[layer.name]:g}",
                    first,
                    place_of(fields["place"]),
                    layer.name,
                )
            if gate.size == batch * layer.units and layer not in self.net.inputs:
                gates[layer.name] = np.nan_to_num(gate.reshape(batch, layer.units).astype(np.float64))
        return gates, bool(seen)

    def _judge_forward(
        self, event: Event, first: int, x: np.ndarray, gates: Mapping[str, np.ndarray], is_dropped: bool
    ) -> bool:
        """Compare states and outputs; return whether they agree or cannot be compared."""
        assert self.roles is not None and self.weights is not None
        ours = self._states(x, "float64")
        if is_dropped:
            return True  # states behind a dropped layer depend on the gates: the gradient is compared
        rounded: dict[str, np.ndarray] = {}

        def agree(layer: str, distance: float) -> bool:
            """Return whether rounding explains a difference; single precision is computed only where it may matter."""
            scale = float(np.abs(ours[layer]).max(initial=0.0))
            least = 64 * self.epsilon * max(scale, 1e-3)
            if distance <= least or self.comparison.dtype == "float64":
                return distance <= least
            if not rounded:
                rounded.update(self._states(x, "float32"))
            return distance <= least + 16 * float(np.abs(ours[layer] - rounded[layer]).max(initial=0.0))

        computed = [
            (name, place_of(place), event.arrays[f"state{k}"].reshape(-1).astype(np.float64))
            for k, (name, place) in enumerate(event["states"])
        ]
        output = self.net.layers[-1]
        y = event.arrays.get("y")
        outputs = [y.reshape(-1).astype(np.float64)] if y is not None and y.size == len(x) * output.units else []
        if not outputs:
            outputs = [state for _, _, state in computed if state.size == len(x) * output.units]
        if not outputs:
            return True
        agrees = False
        for form in [self._output_form] if self._output_form else ["outputs", "log-probabilities", "probabilities"]:
            if form != "outputs" and not self.training.cost.takes_logits:
                continue
            expected = _in_form(ours[output.name], form)
            distance = min(float(np.abs(expected.reshape(-1) - one).max()) for one in outputs)
            if agree(output.name, distance):
                self._output_form = form
                self._note_largest(output.name, "states", distance, expected)
                agrees = True
                break
        hidden = []
        for layer in self.net.hidden:
            mine = ours[layer.name].reshape(-1)
            distances = [float(np.abs(mine - state).max()) for _, _, state in computed if state.size == mine.size]
            if distances:
                hidden.append((layer.name, agree(layer.name, min(distances))))
                if hidden[-1][1]:
                    self._note_largest(layer.name, "states", min(distances), mine)
        if agrees:
            return True
        order = [layer.name for layer in self.net.computed]
        agreeing = [order.index(name) for name, is_equal in hidden if is_equal]
        layer_name = order[max(agreeing, default=-1) + 1]
        before = order.index(layer_name) - 1
        if agreeing and before >= 0 and (changed := self._changed_behind(computed, order[before], layer_name, ours)):
            layer_name, place, note = order[before], *changed
            self.differ(
                "forward",
                f"the states of layer {layer_name} are changed before layer {order[before + 1]} reads them",
                first,
                place,
                layer_name,
                [note],
            )
            return False
        place, note = self._layer_place(computed, layer_name, ours[layer_name].reshape(-1), event)
        self.differ(
            "forward",
            f"the states of layer {layer_name} differ from those of the description with the same weights",
            first,
            place,
            layer_name,
            [note],
            sides=_closest_side(layer_name, ours[layer_name].reshape(-1), [state for _, _, state in computed]),
        )
        return False

    def _changed_behind(
        self,
        computed: Sequence[tuple[str, Place | None, np.ndarray]],
        layer: str,
        following: str,
        ours: Mapping[str, np.ndarray],
    ) -> tuple[Place | None, str] | None:
        """Return where the right states of a layer become others before the next layer, and how; None if not."""
        mine, size = ours[layer].reshape(-1), ours[following].size
        if mine.size == size:
            return None
        same = [k for k, (_, _, state) in enumerate(computed) if state.size == mine.size]
        right = min(same, key=lambda k: float(np.abs(computed[k][2] - mine).max()), default=None)
        if right is None:
            return None
        for name, place, state in computed[right + 1 :]:
            if state.size == size:
                return None
            if state.size == mine.size and name not in (*_NOT_COMPUTED, "dropout"):
                scale = float(np.abs(mine).max(initial=0.0))
                if np.abs(state - mine).max() > 1e-4 * scale:
                    return place, _factor_text(f"states of layer {layer}", mine, state) or _worst_text(mine, state)
        return None

    def _states(self, x: np.ndarray, dtype: str) -> dict[str, np.ndarray]:
        assert self.roles is not None and self.weights is not None
        engine = self.engine(dtype)
        engine.load_parameters(self.roles.to_ours(self.weights))
        with np.errstate(all="ignore"):
            states = engine.states(x)
        return {name: np.asarray(value, np.float64) for name, value in states.items()}

    def _note_largest(self, layer: str, what: str, distance: float, values: np.ndarray) -> None:
        scale = max(float(np.abs(values).max(initial=0.0)), 1e-30)
        row = self.comparison.largest.setdefault(layer, {})
        row[what] = max(row.get(what, 0.0), distance / scale)

    def _layer_place(
        self, computed: Sequence[tuple[str, Place | None, np.ndarray]], layer: str, ours: np.ndarray, event: Event
    ) -> tuple[Place | None, str]:
        """Return the line that computes the states of a layer, and a sentence about how they differ."""
        y = event.arrays.get("y")
        fitting = [one for one in computed if one[2].size == ours.size and one[0] not in _NOT_COMPUTED]
        if layer == self.net.layers[-1].name and y is not None:
            same = [one for one in fitting if np.array_equal(one[2], y.reshape(-1).astype(np.float64))]
            fitting = same[:1] or fitting
        elif layer == self.net.layers[-1].name:
            fitting = fitting[:3]
        if not fitting:
            return place_of(event["forward_place"]), f"the script computes no tensor of {ours.size:,} numbers for it"
        _, place, theirs = fitting[-1]
        factor = _factor_text(f"states of layer {layer}", ours, theirs)
        return place, factor or where_states_differ(self.net, layer, ours, theirs) or _worst_text(ours, theirs)

    # ---- Cost and gradient ---------------------------------------------------------------------------------------

    def _gradients(
        self, x: np.ndarray, d: np.ndarray, gates: Mapping[str, np.ndarray], dtype: str = "float64"
    ) -> dict[str, np.ndarray]:
        """Return the gradients summed over the patterns, from the script's weights, computed in a type."""
        assert self.roles is not None and self.weights is not None
        weights = self.roles.to_ours(self.weights)
        engine = self.engine(dtype)
        engine.load_parameters(weights)
        engine.load_state({key: np.zeros_like(value) for key, value in engine.state().items()})
        with np.errstate(all="ignore"):
            engine.learn(x, d, Settings({}, {}, len(x)), dict(gates))
        slopes = engine.state()
        return {name: np.asarray(slopes[f"{name}/slope"], np.float64) for name in weights}

    def _judge_cost_and_gradient(
        self,
        event: Event,
        first: int,
        x: np.ndarray,
        d: np.ndarray,
        gates: Mapping[str, np.ndarray],
        ours: dict[str, np.ndarray],
        settings: PassSettings,
        has_forward: bool,
    ) -> bool:
        """Compare cost and gradient; return whether the gradient is right. Differences wait for the step."""
        assert self.roles is not None
        divisor = float(len(d)) if settings.settings.batch_mean else 1.0
        before = event.arrays.get("grad_before")
        total = event.arrays["grad"].astype(np.float64)
        fresh = total if before is None else total - before.astype(np.float64)
        if before is not None and not self._open:
            self.differ(
                "zero_grad",
                "the gradients of the previous presentation are still there, and the new ones are added to them",
                first,
                place_of(event["backward_place"]),
                notes=["call optimizer.zero_grad() before each backward pass"],
            )
        self._fresh, self._pending_cost, self._pending_gradient = fresh, None, None
        theirs_cost = float(event["cost"])
        y = event.arrays.get("y")
        if y is not None and y.size == d.size:
            outputs = _as_outputs(y.reshape(d.shape).astype(np.float64), self._output_form)
            expected = _cost(self.training, outputs, d) / divisor
            slack = 512 * self.epsilon * (abs(expected) + math.sqrt(abs(expected)))
            if abs(theirs_cost - expected) > slack:
                factor = theirs_cost / expected if expected else math.inf
                self.cost_factors.append(factor)
                self._pending_cost = (theirs_cost, expected, outputs)
        expected_gradient = self.roles.to_theirs({name: g / divisor for name, g in ours.items()})
        uncertain: np.ndarray | None = None  # how far single precision is from it, computed where it may matter
        for name, outside in self.roles.tables.items():
            if np.any(fresh[outside] != 0):
                layer = self.net.parameters[[p.name for p in self.net.parameters].index(name)].layer
                self.differ(
                    "architecture",
                    f"the script learns {len(outside):,} weights of {self.roles.joined[name][0]} that the table of the "
                    f"description does not have ({name})",
                    first,
                    place_of(event["forward_place"]),
                    layer,
                )
        wrong = []
        by_name = {p.name: p for p in self.net.parameters}
        for name, _, places in self.layers():
            p = by_name[name]
            mine, their = expected_gradient[places], fresh[places]
            scale = float(np.abs(mine).max(initial=0.0))
            slack = 128 * self.epsilon * scale + 1e-30
            distance = float(np.abs(mine - their).max(initial=0.0))
            if distance > slack and self.comparison.dtype != "float64":
                if uncertain is None:
                    rounded = self._gradients(x, d, gates, "float32")
                    uncertain = np.abs(
                        self.roles.to_theirs({name: g / divisor for name, g in rounded.items()}) - expected_gradient
                    )
                slack += 32 * float(uncertain[places].max(initial=0.0))
            if not distance <= slack:
                wrong.append((p, mine, their))
            else:
                self._note_largest(p.layer, "gradients", distance, mine)
        if wrong and has_forward:
            self._pending_gradient = wrong
        return not wrong

    def _report_cost_and_gradient(self, event: Event, first: int) -> None:
        """Report the cost or the gradient that differs: the step shows that it matters."""
        if self._pending_cost is not None:
            theirs, expected, _ = self._pending_cost
            notes = [self._penalty_text(theirs - expected)]
            factor = theirs / expected if expected else math.inf
            self.differ(
                "cost",
                f"its cost is {theirs:.6g}; that of the description for the same outputs and targets is {expected:.6g}",
                first,
                place_of(event["cost_place"]),
                self.net.layers[-1].name,
                [*notes, "" if not math.isfinite(factor) else f"{factor:.6g} times here"],
            )
            return
        if self._pending_gradient and not self.has("forward", "cost", "zero_grad"):
            p, mine, their = self._pending_gradient[-1]
            notes = [
                (
                    "it takes no part in forward: no gradient reaches it"
                    if p.kind == "bias"
                    else "no gradient reaches it"
                )
                if not np.any(their)
                else _factor_text(f"gradients of {q.name}", mine, their)
                for q, mine, their in [(p, mine, their)]
            ]
            others = sorted({q.layer for q, _, _ in self._pending_gradient} - {p.layer})
            self.differ(
                "gradient",
                f"the gradient of {p.name}{self._their_name(p.name)} differs"
                + (f" (also those of {', '.join(others)})" if others else ""),
                first,
                place_of(event["backward_place"]),
                p.layer,
                notes,
                sides={q.name: (mine, their) for q, mine, their in self._pending_gradient if q.layer == p.layer},
            )

    def _their_name(self, name: str) -> str:
        assert self.roles is not None
        return f" ({' + '.join(self.roles.joined[name])})" if self.roles.joined.get(name) else ""

    def _penalty_text(self, more: float) -> str:
        assert self.weights is not None
        squares = float(self.weights @ self.weights)
        penalty = more / squares if squares else 0.0
        short = float(f"{penalty:.2g}")
        if short and abs(penalty - short) < 2e-3 * abs(short):
            return f"the difference is {short:g} times the sum of all squared weights: a penalty on the weights"
        return ""

    # ---- Steps ---------------------------------------------------------------------------------------------------

    def _judge_step(self, before: np.ndarray, after: np.ndarray, place: Place | None) -> None:
        """Compare an update of the weights with the one that the description makes from the same gradient."""
        assert self.roles is not None
        opened, self._open = self._open, []
        last = opened[-1]
        count = sum(one.event["batch"] for one in opened)
        settings = self.pass_settings(last.first)
        self._judge_batch(opened, count, settings, place)
        rule = settings.stage.rule
        if rule.conjugate or (rule.curvature is not None and settings.stage.curvature_patterns is not None):
            if not self.noted("updates are not compared"):
                self.comparison.notes.append(f"the rule {rule.name} works on a whole pass: updates are not compared")
            return
        if self._expected is None:
            self._expected = ExpectedUpdate(rule, self.roles), ExpectedUpdate(rule, self.roles)
        if not self._state_known and not keeps_no_state(rule, settings.settings):
            return
        curvature = self._curvature(opened, rule.curvature)
        theirs = last.event.arrays["grad"].astype(np.float64)
        move = after - before
        expected = self._expected[0].after(before, theirs, settings.settings, curvature)
        agrees = self._moves_agree(move, expected - before, before, after, strict=True)
        is_excused = False
        if all(one.gradient is not None for one in opened):
            total: dict[str, np.ndarray] = {}
            for one in opened:
                assert one.gradient is not None
                for name, g in one.gradient.items():
                    total[name] = total.get(name, 0.0) + g
            divisor = float(count) if settings.settings.batch_mean else 1.0
            own = self.roles.to_theirs({name: g / divisor for name, g in total.items()})
            from_ours = self._expected[1].after(before, own, settings.settings, curvature)
            is_excused = self._moves_agree(move, from_ours - before, before, after, strict=False)
        if not last.is_right or self._has_pending():
            if is_excused:
                self._note_factor()
            else:
                self._report_cost_and_gradient(last.event, last.first)
        if agrees or is_excused:
            self.agreed_steps += 1
            for _, layer, places in self.layers() if agrees else ():
                distance = float(np.abs((expected - after)[places]).max(initial=0.0))
                self._note_largest(layer, "weights", distance, after[places])
        elif not self.has("step", "optimizer", "schedule"):
            cause = explain_step(self, before, after, expected, theirs, settings, last.first, self._previous_move)
            shown = {p.name for p in self.net.parameters if p.layer == (cause.layer or self.net.computed[0].name)}
            sides = {
                name: (expected[places], after[places])
                for name, places in self.roles.places.items()
                if name in shown and (places >= 0).all()
            }
            since = cause.since or last.first
            self.differ(cause.kind, cause.message, since, place, cause.layer, cause.notes, sides=sides)
        self._previous_move = move

    def _has_pending(self) -> bool:
        return self._pending_cost is not None or bool(self._pending_gradient)

    _pending_cost: tuple[float, float, np.ndarray] | None = None
    _pending_gradient: list | None = None  # type: ignore[type-arg]

    def _note_factor(self) -> None:
        """Note a cost that is a constant multiple, where the rate makes up for it."""
        factors = self.cost_factors
        if len(factors) == _FACTOR_PRESENTATIONS and np.ptp(factors) <= 1e-3 * abs(factors[0]):
            self.comparison.notes.append(
                f"its cost is {factors[0]:.4g} times that of the description, and its rate makes up for it"
            )

    def layers(self) -> list[tuple[str, str, np.ndarray]]:
        """Return (parameter, its layer, the numbers of the script that it has) for each that the script has."""
        if self._layer_places is None:
            assert self.roles is not None
            layer_of = {p.name: p.layer for p in self.net.parameters}
            self._layer_places = [
                (name, layer_of[name], np.unique(places[places >= 0]))
                for name, places in self.roles.places.items()
                if (places >= 0).any()
            ]
        return self._layer_places

    _layer_places: list[tuple[str, str, np.ndarray]] | None = None

    def _moves_agree(
        self, move: np.ndarray, expected: np.ndarray, before: np.ndarray, after: np.ndarray, strict: bool
    ) -> bool:
        """Return whether two moves of the weights agree up to rounding; not strict, up to that of the gradient too."""
        for _, _, places in self.layers():
            size = float(np.abs(expected[places]).max(initial=0.0))
            slack = self.epsilon * (2 * np.maximum(np.abs(before[places]), np.abs(after[places])) + 64 * size)
            if not strict:
                slack = slack + 1e4 * self.epsilon * size
            if not np.all(np.abs(move[places] - expected[places]) <= slack):
                return False
        return True

    def _curvature(self, opened: Sequence[_Backward], kind: str | None) -> dict[str, np.ndarray]:
        if kind is None or self.roles is None or self.weights is None or any(one.x is None for one in opened):
            return {}
        x = np.concatenate([one.x for one in opened if one.x is not None])
        d = np.concatenate([one.d for one in opened if one.d is not None])
        engine = self.engine()
        h = engine.curvature(x, d, kind)
        vector = self.roles.to_theirs({name: value * len(x) for name, value in h.items()})
        return {"h-full" if kind == "full" else "h": vector}

    def _judge_batch(
        self, opened: Sequence[_Backward], count: int, settings: PassSettings, place: Place | None
    ) -> None:
        wanted = settings.settings.batch
        ends_pass = (opened[-1].first + opened[-1].event["batch"] - 1) % self.patterns == 0
        if count != wanted and not (ends_pass and count < wanted):
            self.differ(
                "batch",
                f"it updates its weights after {count} patterns; the description after {wanted}",
                opened[0].first,
                place or place_of(opened[0].event["backward_place"]),
            )

    def _judge_stray_change(self, before: np.ndarray, after: np.ndarray, event: Event) -> None:
        change = float(np.abs(after - before).max(initial=0.0))
        changed = [name for name, _, places in self.layers() if np.any(before[places] != after[places])]
        self.differ(
            "step",
            f"the weights change once more after the update, by up to {change:.3g} ({', '.join(changed[:4])})",
            self._presented,
            place_of(event["place"]),
            next((layer for name, layer, _ in self.layers() if name in changed), ""),
        )

    # ---- The whole run -------------------------------------------------------------------------------------------

    def _take_end(self, event: Event) -> None:
        total = event["presented"]
        self.comparison.presentations = total
        self.comparison.seconds = event["seconds"]
        self.comparison.passes = total / self.patterns
        self.comparison.exact = self.comparison.watched >= total > 0
        if not total:
            return
        if self._open and self.weights is not None and event["steps"] == 0 and self._backwards:
            self._judge_batch_without_end()
        if self._prints and not self.has("data"):
            judge_order(self, np.concatenate(self._prints))
        explain_optimizer(self, self.optimizers)
        wanted = self.comparison.wanted_passes = self.training.passes
        if total != wanted * self.patterns:
            self.differ(
                "passes",
                f"it makes {total:,} presentations, {_passes(total / self.patterns)} of {self.patterns:,} "
                f"patterns; the description {wanted * self.patterns:,}, {_passes(wanted)}",
                min(total, wanted * self.patterns),
                notes=[
                    ""
                    if total % self.patterns
                    else f"--passes {total // self.patterns} compares it with as many passes of the description"
                ],
                at_end=True,
            )
        self.figures.finish()

    def _judge_batch_without_end(self) -> None:
        opened = self._open
        if len(opened) > 1:
            self.differ(
                "batch",
                f"its weights do not change in the last {len(opened)} presentations",
                opened[0].first,
                place_of(opened[0].event["backward_place"]),
            )


class _Backward:
    """A backward pass that waits for its update: our gradients (summed), and whether the script's agree."""

    def __init__(
        self,
        event: Event,
        first: int,
        x: np.ndarray | None,
        d: np.ndarray | None,
        gradient: dict[str, np.ndarray] | None,
        is_right: bool,
    ):
        self.event, self.first, self.x, self.d = event, first, x, d
        self.gradient, self.is_right = gradient, is_right


def _cost(training: Training, x: np.ndarray, d: np.ndarray) -> float:
    """Return E summed over the patterns."""
    cost = training.cost
    with np.errstate(all="ignore"):
        if cost.softmax:
            return mean_cost(cost, x, d) * len(x)
        assert cost.e is not None
        return float(np.sum(np.broadcast_to(evaluate(cost.e, {"x": x, "d": d}), x.shape)))


def _in_form(outputs: np.ndarray, form: str) -> np.ndarray:
    if form == "outputs":
        return outputs
    shifted = outputs - outputs.max(axis=-1, keepdims=True)
    log_p: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return log_p if form == "log-probabilities" else np.exp(log_p)


def _as_outputs(y: np.ndarray, form: str) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.log(y) if form == "probabilities" else y


def _factor_text(what: str, ours: np.ndarray, theirs: np.ndarray) -> str:
    a, b = ours.reshape(-1), theirs.reshape(-1)
    with np.errstate(all="ignore"):
        factor = float(a @ b / (a @ a))
        is_multiple = np.abs(b - factor * a).max(initial=0.0) <= 1e-3 * np.abs(b).max(initial=0.0)
    if not is_multiple or not np.isfinite(factor) or abs(factor - 1) < 1e-6:
        return ""
    return f"the {what} are {factor:.5g} times those of the description here"


def _closest_side(
    layer: str, ours: np.ndarray, states: Sequence[np.ndarray]
) -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
    """Return the states of a layer beside the closest ones of the script; nothing if it has none of this size."""
    fitting = [state for state in states if state.size == ours.size]
    return {layer: (ours, closest(ours, fitting))} if fitting else {}


def _worst_text(ours: np.ndarray, theirs: np.ndarray) -> str:
    distances = np.abs(ours - theirs)
    if not np.isfinite(distances).all():
        return "some are not finite numbers"
    k = int(distances.argmax())
    share = float((distances > 1e-4 * max(1e-12, float(np.abs(ours).max()))).mean())
    return f"{100 * share:.3g} % of them differ, unit {k} most: {theirs[k]:.5g} for {ours[k]:.5g}"


def _passes(number: float) -> str:
    return f"{_number(number)} {'pass' if number == 1 else 'passes'}"


def _number(value: float) -> str:
    return f"{value:.4g}"
