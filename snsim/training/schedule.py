"""Numbers that change over the passes: the value of a `Value` in a pass, and checks of its length."""

from __future__ import annotations

from dataclasses import replace

from snsim.errors import passes_text
from snsim.network.clauses import Faults
from snsim.training.spec import Stage, Value


def constant_value(number: float) -> Value:
    """Return a value that does not change."""
    return Value("constant", (float(number),))


def value_at(value: Value, number: int, passes: int) -> float:
    """Return the value in pass `number` (from 1) of a stage of `passes` passes.

    `(linear a b)` is a + (b - a)(p - 1)/(P - 1) in pass p of P, and a if P = 1. The last value of `(steps ...)` holds
    until the end.
    """
    if value.kind == "constant":
        return value.numbers[0]
    if value.kind == "linear":
        first, last = value.numbers
        return first if passes == 1 else first + (last - first) * (number - 1) / (passes - 1)
    end = 0
    for step, length in zip(value.numbers, value.lengths):
        end += length
        if number <= end:
            return step
    return value.numbers[-1]


def check_steps_fill(value: Value, passes: int, faults: Faults) -> None:
    """Add a fault if `(steps ...)` do not fill the passes exactly, or leave none for the last value."""
    if value.kind != "steps":
        return
    filled, open_end = sum(value.lengths), len(value.lengths) < len(value.numbers)
    sentence = f"the steps fill {passes_text(filled)}, the training or stage has {passes}"
    if open_end and filled >= passes:
        faults.add(
            f"{sentence}: no pass is left for the last value, {value.numbers[-1]:g}",
            value.span,
            "shorten the steps or state more passes",
        )
    elif not open_end and filled != passes:
        last = value.numbers[-1]
        more = f", or end with ({last:g}), which holds until the end" if filled < passes else ""
        faults.add(sentence, value.span, f"state {passes_text(filled)} or change the steps{more}")


def fit_value(value: Value, passes: int) -> Value:
    """Return the value for another number of passes: steps are dropped or shortened, or the last one is extended."""
    if value.kind != "steps":
        return value
    lengths: list[int] = []
    remaining = passes
    for length in value.lengths:
        if remaining == 0:
            break
        lengths.append(min(length, remaining))
        remaining -= lengths[-1]
    if remaining == 0:
        return replace(value, numbers=value.numbers[: len(lengths)], lengths=tuple(lengths))
    closed = len(value.lengths) == len(value.numbers)
    return replace(value, lengths=tuple(lengths[:-1] if closed else lengths))


def fit_stages(stages: tuple[Stage, ...], passes: int) -> tuple[Stage, ...]:
    """Return the stages for another number of passes: drop or shorten the last ones, or extend the last."""
    kept: list[Stage] = []
    remaining = passes
    for stage in stages:
        if remaining == 0:
            break
        length = remaining if stage is stages[-1] else min(stage.passes, remaining)
        kept.append(_with_passes(stage, length))
        remaining -= length
    return tuple(kept)


def _with_passes(stage: Stage, passes: int) -> Stage:
    return replace(
        stage,
        passes=passes,
        options={name: fit_value(value, passes) for name, value in stage.options.items()},
        rates=tuple(replace(rate, value=fit_value(rate.value, passes)) for rate in stage.rates),
        input_noise=None if stage.input_noise is None else fit_value(stage.input_noise, passes),
        theta=None if stage.theta is None else fit_value(stage.theta, passes),
    )


def stage_of_pass(stages: tuple[Stage, ...], number: int) -> tuple[Stage, int]:
    """Return the stage of pass `number` of the training (from 1), and the number of the pass in that stage."""
    for stage in stages:
        if number <= stage.passes:
            return stage, number
        number -= stage.passes
    raise IndexError(f"no pass {number} after the last stage")
