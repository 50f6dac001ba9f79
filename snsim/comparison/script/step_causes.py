"""Name the cause of an update that differs: another rate, momentum, decay, layers that do not learn, another rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from snsim.comparison.script.events import Event, place_of
from snsim.comparison.script.expected_update import PassSettings

if TYPE_CHECKING:
    from snsim.comparison.script.judged import JudgedScript


@dataclass(frozen=True)
class StepCause:
    """The kind of a difference between updates, its sentence, the layer and further sentences."""

    kind: str
    message: str
    layer: str = ""
    notes: tuple[str, ...] = ()
    since: int | None = None  # the presentation from which on an option differs, where the step shows it later


def explain_step(
    judge: JudgedScript,
    before: np.ndarray,
    after: np.ndarray,
    expected: np.ndarray,
    gradient: np.ndarray,
    settings: PassSettings,
    presentation: int,
    previous: np.ndarray | None,
) -> StepCause:
    """Return why the weights `after` an update are not the `expected` ones.

    If an option of the optimizer differs and explains the step, it is the cause, and nothing else is reported.
    """
    cause = _explain_by_numbers(judge, before, after, expected, gradient, settings, presentation, previous)
    options = {key: text for key, text in _differing_options(judge, settings).items() if key != "lr"}
    if not options:
        return cause
    is_of_rate = cause.kind in ("step", "schedule") or cause.message.startswith(("its rate", "its steps", "the steps"))
    if is_of_rate and not cause.message.endswith("do not move"):
        if "lr" in _differing_options(judge, settings) or not _may_explain(judge, before, after, expected, settings):
            return cause
        cause = StepCause("optimizer", "; ".join(options.values()))
    return replace(cause, since=_since(judge, set(options))) if cause.kind == "optimizer" else cause


def _may_explain(
    judge: JudgedScript, before: np.ndarray, after: np.ndarray, expected: np.ndarray, settings: PassSettings
) -> bool:
    """Return whether the options explain a step; for weight decay alone by computing it, for others assume so."""
    options, rate = _differing_options(judge, settings), settings.one_rate()
    stated = judge.optimizers[-1]["groups"][0]["settings"].get("weight_decay", 0.0)
    if set(options) != {"weight_decay"} or rate is None:
        return True
    more = float(stated) - settings.settings.options.get("decay", 0.0)
    wanted = expected - before - rate * more * before
    return all(_close(judge, (after - before)[k], wanted[k], before[k]) for _, _, k in judge.layers())


def _since(judge: JudgedScript, keys: set[str]) -> int | None:
    """Return the first presentation at whose step one of these options differed."""
    for event in judge.optimizers:
        presentation: int = max(1, event["presented"] - judge.batch + 1)
        if keys & set(_differing_options(judge, judge.pass_settings(presentation), event)):
            return presentation
    return None


def _explain_by_numbers(
    judge: JudgedScript,
    before: np.ndarray,
    after: np.ndarray,
    expected: np.ndarray,
    gradient: np.ndarray,
    settings: PassSettings,
    presentation: int,
    previous: np.ndarray | None,
) -> StepCause:
    """Return what the numbers of an update say about why it is not the `expected` one."""
    move, wanted = after - before, expected - before
    layers = judge.layers()
    wrong = [one for one in layers if not _close(judge, move[one[2]], wanted[one[2]], before[one[2]])]
    optimizer = _optimizer_text(judge, settings)
    kind = "schedule" if judge.agreed_steps else "optimizer"
    rate = settings.one_rate()
    name, layer, places = wrong[0] if wrong else layers[0]
    hint = (optimizer,) if optimizer else ()
    factors = {one[0]: _factor(wanted[one[2]], move[one[2]]) for one in layers if np.any(wanted[one[2]])}
    everything = np.concatenate([one[2] for one in layers])
    decayed = _fit(before[everything], (move - wanted)[everything])
    if decayed is not None and decayed < 0:
        return StepCause(
            "optimizer", f"it decays its weights: by {-decayed:.4g} times their value in each step", "", hint
        )
    if len(wrong) < len(layers) and wrong:
        parts = ", ".join(one[0] for one in wrong[:4]) + ("" if len(wrong) < 5 else f" and {len(wrong) - 4} more")
        factor = factors.get(name)
        if not np.any(move[places]):
            return StepCause("optimizer", f"{parts}: the weights do not move", layer, hint)
        if factor is not None and abs(factor - 1) > 5e-3 and all(_near(factors.get(one[0]), factor) for one in wrong):
            return StepCause("optimizer", f"the steps of {parts} are {factor:.5g} times those expected", layer, hint)
        decayed = _fit(before[places], move[places] - wanted[places])
        if decayed is not None and decayed < 0:
            return StepCause("optimizer", f"{parts}: the weights decay by {-decayed:.4g} in each step", layer, hint)
        return StepCause("step", f"the steps of {parts} differ", layer, hint)
    both = np.concatenate([one[2] for one in layers])
    if not np.any(move[both]):
        return StepCause("step", "the weights do not move", layer, hint)
    known = [factor for factor in factors.values() if factor is not None]
    if len(known) == len(factors) and known and all(_near(factor, known[0]) for factor in known):
        factor = known[0]
        if factor < 0:
            message = f"the weights move up the gradient: its steps are {factor:.5g} times those expected"
        elif rate is not None:
            message = f"its rate is {factor * rate:.4g}; that of the description {rate:.6g} ({factor:.4g} times)"
        else:
            message = f"its steps are {factor:.5g} times those expected"
        return StepCause(kind, message, "", hint)
    more = move[both] - wanted[both]
    if previous is not None:
        momentum = _fit(previous[both], more)
        if momentum is not None:
            return StepCause("optimizer", f"it has momentum: {momentum:.4g} times the previous step is added", "", hint)
    if rate is not None and np.allclose(np.abs(move[both][gradient[both] != 0]), np.abs(move[both]).max(), rtol=0.05):
        return StepCause("optimizer", "all its weights move equally far, as in the first step of Adam", "", hint)
    if optimizer:
        return StepCause("optimizer", optimizer, "", ())
    return StepCause("step", f"the update differs from that of {settings.stage.rule.name}", layer, hint)


def _near(one: float | None, other: float) -> bool:
    return one is not None and abs(one - other) <= 2e-3 * abs(other)


def _close(judge: JudgedScript, move: np.ndarray, wanted: np.ndarray, before: np.ndarray) -> bool:
    size = float(np.abs(wanted).max(initial=0.0))
    slack = judge.epsilon * (2 * np.abs(before) + 64 * size)
    return bool(np.all(np.abs(move - wanted) <= slack))


def _factor(wanted: np.ndarray, move: np.ndarray) -> float | None:
    """Return k where the move is k times the expected one, or None."""
    return _fit(wanted, move)


def _fit(a: np.ndarray, b: np.ndarray) -> float | None:
    """Return k with b = k * a, up to rounding, or None."""
    square = float(a @ a)
    if not square or not np.any(b):
        return None
    k = float(a @ b / square)
    return k if np.abs(b - k * a).max() <= 2e-2 * np.abs(b).max() else None


# ---- What the optimizer says -------------------------------------------------------------------------------------


def _optimizer_text(judge: JudgedScript, settings: PassSettings) -> str:
    """Return how the settings of the script's optimizer differ from the description, or ""."""
    return "; ".join(_differing_options(judge, settings).values())


def _differing_options(judge: JudgedScript, settings: PassSettings, event: Event | None = None) -> dict[str, str]:
    """Return a text for each option of the optimizer, of its last event or `event`, that differs: by its name."""
    if not judge.optimizers:
        return {}
    event = event or judge.optimizers[-1]
    rule = settings.stage.rule
    texts: dict[str, str] = {}
    classes = {"sgd": "SGD", "adamw": "AdamW"}
    if classes.get(rule.name, event["name"]) != event["name"]:
        texts["rule"] = f"the optimizer is {event['name']}; the description learns by {rule.name}"
    options = settings.settings.options
    wanted: dict[str, Any] = {"amsgrad": False, "nesterov": False, "maximize": False}
    if rule.name == "sgd":
        wanted.update(momentum=options.get("alpha", 0.0), weight_decay=options.get("decay", 0.0))
    if rule.name == "adamw":
        wanted.update(
            betas=[options.get("beta1"), options.get("beta2")],
            eps=options.get("delta"),
            weight_decay=options.get("decay", 0.0),
        )
    rate = settings.one_rate()
    if rate is not None:
        wanted["lr"] = rate
    for group in event["groups"][:1]:
        for key, value in wanted.items():
            stated = group["settings"].get(key, value)
            if not _same(stated, value):
                texts[key] = f"{key} is {_shown(stated)}; in the description {_shown(value)}"
    return texts


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other))
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return abs(float(one) - float(other)) <= 1e-6 * max(abs(float(one)), abs(float(other)))
    return bool(one == other)


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " and ".join(map(_shown, value))
    return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def explain_optimizer(judge: JudgedScript, optimizers: Sequence[Event]) -> None:
    """Compare the schedule of the optimizer with that of the description, in each pass of the whole run.

    What counts is the ratio of each rate to that of the first pass. So a wrong rate or another option of the optimizer,
    which is a difference of its own, does not hide a wrong schedule.
    """
    timeline = []
    for event in optimizers:
        rates = [group["settings"].get("lr") for group in event["groups"]]
        if rates and all(isinstance(rate, (int, float)) for rate in rates):
            timeline.append((event["presented"], tuple(float(rate) for rate in rates), event))
    timeline = [one for one in timeline if len(one[1]) == len(timeline[0][1])]
    first = judge.pass_settings(1).one_rate()
    if not timeline or not first:
        return
    for group in range(len(timeline[0][1])):
        of_group = [(start, rates[group], event) for start, rates, event in timeline]
        if of_group[0][1]:
            _judge_schedule(judge, of_group, first)


def _judge_schedule(judge: JudgedScript, timeline: Sequence[tuple[int, float, Event]], first: float) -> None:
    """Report the first pass in which the rates of one group, over that of pass 1, are not those of the description."""
    began = timeline[0][1]
    ratio = began / first
    total = min(judge.comparison.presentations, judge.training.passes * judge.patterns)
    moments = sorted(
        {start for start, _, _ in timeline}
        | {k for p in range(0, total, judge.patterns) for k in (p + 1, min(p + judge.patterns, total))}
    )
    for moment in moments:
        if moment < 1 or moment > total:
            continue
        _, rate, event = ([one for one in timeline if one[0] <= moment] or timeline[:1])[-1]
        wanted = judge.pass_settings(moment).one_rate()
        if wanted is None or abs(rate - wanted * ratio) <= 1e-6 * max(abs(rate), abs(wanted * ratio)):
            continue
        number = (moment - 1) // judge.patterns + 1
        message = f"its rate in pass {number} is {rate:.6g}; in the description {wanted * ratio:.6g}"
        if abs(ratio - 1) > 1e-6:
            message = (
                f"its rate in pass {number} is {rate:.6g}, {rate / began:.6g} times that of its pass 1; in the "
                f"description {wanted / first:.6g} times"
            )
        notes = _schedule_notes(judge, timeline, ratio)
        judge.differ("schedule", message, moment, place_of(event["place"]), notes=notes)
        return


def _schedule_notes(judge: JudgedScript, timeline: Sequence[tuple[int, float, Event]], ratio: float) -> list[str]:
    """Say that the rates are those of the description some passes early or late, if they are."""
    passes = max(1, round(judge.comparison.passes))
    if passes < 2:
        return []
    theirs, ours = [], []
    for number in range(1, passes + 1):
        start = (number - 1) * judge.patterns + 1
        before = [one for one in timeline if one[0] <= start]
        theirs.append(before[-1][1] if before else timeline[0][1])
        ours.append((judge.pass_settings(start).one_rate() or 0.0) * ratio)
    for late in (1, -1):
        a, b = (theirs[late:], ours[:-late]) if late > 0 else (theirs[:late], ours[-late:])
        if a and len(set(ours)) > 1 and np.allclose(a, b, rtol=1e-6):
            return [f"its schedule is one pass {'late' if late > 0 else 'early'}"]
    return []
