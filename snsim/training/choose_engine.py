"""Choose the engine of a training and build it for the update rule of a stage."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from snsim import engines
from snsim.engines.plan import Plan, plan
from snsim.engines.protocol import Engine
from snsim.engines.recurrent import build_recurrent, plan_of_steps
from snsim.errors import Span, fail
from snsim.training.schedule import stage_of_pass
from snsim.training.spec import Stage, Training


def preferred_engines(training: Training) -> tuple[str, ...]:
    """Return the names of engines in order of preference: the first that can be built runs the training.

    `native` is the fastest in all cases, but it has no conjugate gradient for nets with `normalize` or `attend`.
    Without it, `reference` is several times faster than `torch` for one pattern per update, and `torch` is faster for
    batches.
    """
    fallback = "torch" if all(stage.batch != 1 for stage in training.stages) else "reference"
    lacks_native = training.net.transforms and any(stage.rule.conjugate for stage in training.stages)
    return (fallback,) if lacks_native else ("native", fallback)


def build_engine(
    training: Training,
    stage: Stage,
    name: str,
    dtype: np.dtype | type | str,
    device: str | None = None,
    portable: bool = False,
) -> Engine:
    """Build the engine of this name for the rule of a stage, with all weights 0, on a device if one is given.

    A portable engine computes the same bits on every processor.
    Raise SnError if there is no such engine or device, it is not installed, or it cannot run the training.
    """
    check_constants(training, dtype)

    def build(plan: Plan) -> Engine:
        constants = constant_options(training, stage)
        return engines.build(name, plan, training.cost, stage.rule, dtype, constants, portable)

    engine = build_for_net(training, stage, dtype, build)
    if device is not None:
        if not hasattr(engine, "move_to"):
            raise fail(
                f'the {name} engine computes on the processor only, not on the device "{device}"',
                hint="write --engine torch, or leave --device out",
            )
        engine.move_to(device)
    return engine


def build_for_net(
    training: Training, stage: Stage, dtype: np.dtype | type | str, build: Callable[[Plan], Engine]
) -> Engine:
    """Return the engine that a function builds for the plan of the net, or of the unrolled net if it has delays."""
    if training.net.delayed:
        return build_recurrent(training.net, training.time, training.cost, stage.rule, np.dtype(dtype), build)
    return build(plan(training.net))


def build_engines_together(
    training: Training, dtype: np.dtype | type | str, count: int, device: str | None = None
) -> Sequence[Engine]:
    """Build engines for `count` nets of a training that learn at the same time, in all of its stages.

    SnError if the training takes decisions that differ from net to net, or if there is no such device.
    """
    refuse_together(training)
    check_constants(training, dtype)
    rule = training.stages[0].rule
    return engines.build_together(plan(training.net), training.cost, rule, np.dtype(dtype), count, device)


def check_constants(training: Training, dtype: np.dtype | type | str) -> None:
    """Raise SnError if a number that a net or a cost states is too large for a type.

    Engines square scales and the values of borders, for second derivatives.
    """
    target = np.dtype(dtype)
    most = float(np.finfo(target).max)
    found: list[tuple[str, float, float, Span | None]] = []
    for connection in training.net.connections:
        fixed = 0.0 if connection.stated_weights is None else float(np.abs(connection.stated_weights).max())
        found += [
            ("the scale", connection.scale, math.sqrt(most), connection.span),
            ("the value of the border", connection.border_value, math.sqrt(most), connection.span),
            ("the stated weight", fixed, most, connection.span),
        ]
    rubbish = training.cost.rubbish
    if rubbish is not None:
        found.append((f"the number of cost {training.cost.name}", -rubbish, most, training.span_of("cost")))
    for what, value, limit, span in found:
        if abs(value) > limit:
            raise fail(
                f"{what} is {value:g}, too large for {target} (at most {limit:.3g})",
                span,
                hint="state a smaller number"
                + (", or run with --dtype float64" if target.itemsize < 8 and abs(value) < 1e150 else ""),
            )


def refuse_together(training: Training) -> None:
    """Raise SnError, with the place of the clause, if nets of a training cannot learn at the same time."""
    net, rules = training.net, {stage.rule for stage in training.stages}
    curvature = any(rule.curvature is not None for rule in rules)
    why: tuple[str, tuple[str, ...]] | None = None
    if net.delayed:
        why = "its net has delays, and each net has a context of its own", ("net",)
    elif any(rule.conjugate for rule in rules):
        why = "conjugate gradient makes a step of its own for each net", ("update", "stage", "repeat")
    elif any(stage.prune is not None for stage in training.stages):
        why = "pruning removes other weights from each net", ("stage", "repeat")
    elif len(rules) > 1:
        why = "its stages have different update rules", ("update", "stage", "repeat")
    elif curvature and any(connection.weight_norm for connection in net.connections):
        why = "its update needs second derivatives through weight-norm, net by net", ("update", "stage", "repeat")
    elif curvature and net.transforms:
        why = "its update needs second derivatives through a transform, pattern by pattern", ("update",)
    if why is not None:
        raise fail(
            f"the nets of training {training.name} cannot learn at the same time: {why[0]}",
            training.span_of(*why[1]) or training.span,
            hint="leave --together out: each net then learns alone, and the native engine is the fastest for that",
        )


def build_engine_like(training: Training, stage: Stage, engine: Engine) -> Engine:
    """Build an engine for the rule of a stage that computes as another: name, type, device, portable, threads."""
    built = build_engine(training, stage, engine.name, engine.dtype, device_of(engine), is_portable(engine))
    set_threads(built, getattr(engine, "threads", None))
    return built


def build_engine_for_pass(
    training: Training,
    number: int,
    name: str,
    dtype: np.dtype | type | str,
    device: str | None = None,
    portable: bool = False,
) -> Engine:
    """Build an engine as `build_engine` does, for the stage of a pass of the training (counted from 1)."""
    return build_engine(training, stage_of_pass(training.stages, number)[0], name, dtype, device, portable)


def set_threads(engine: Engine, threads: int | None) -> None:
    """Let an engine compute with this many threads; None: as many as it has by default.

    SnError for more than one if the engine has no threads.
    """
    if hasattr(engine, "use_threads") and threads is not None:
        engine.use_threads(threads)
    elif threads is not None and threads > 1:
        raise fail(
            f"the {engine.name} engine computes on one thread, not on {threads}",
            hint="leave --threads out, or use the native or the torch engine",
        )


def is_portable(engine: Engine) -> bool:
    """Tell whether an engine computes the same bits on every processor."""
    return bool(getattr(engine, "portable", False))


def device_of(engine: Engine) -> str | None:
    """Return the device that an engine was moved to; None for an engine that knows no devices."""
    device = getattr(engine, "device", None)
    return None if device is None else str(device)


def native_code(
    training: Training, stage: Stage, dtype: np.dtype | type | str, assembly: bool = False, portable: bool = False
) -> str:
    """Return the code with which the native engine trains in a stage: LLVM IR, or assembly of this processor.

    Raise SnError if llvmlite is not installed.
    """
    native = engines.native_package()
    write = native.asm_text if assembly else native.ir_text
    net = training.net
    work = plan_of_steps(net, training.time) if net.delayed else plan(net)
    text: str = write(work, training.cost, stage.rule, dtype, constant_options(training, stage), portable)
    return text


def constant_options(training: Training, stage: Stage) -> dict[str, float]:
    """Return the options of the rule that stay constant in all passes with this rule: an engine compiles them in."""
    same_rule = [other for other in training.stages if other.rule == stage.rule]
    constants = {}
    for name, _ in stage.rule.options:
        values = [other.options[name] for other in same_rule]
        if all(value.kind == "constant" and value.numbers == values[0].numbers for value in values):
            constants[name] = values[0].numbers[0]
    return constants
