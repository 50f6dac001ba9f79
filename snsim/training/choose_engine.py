"""Which engine runs a training, and how it is made for the rule of a stage."""

from __future__ import annotations

import numpy as np

from snsim import engines
from snsim.engines.plan import plan
from snsim.engines.protocol import Engine
from snsim.training.schedule import stage_of_pass
from snsim.training.spec import Stage, Training


def preferred_engines(training: Training) -> tuple[str, ...]:
    """Engines in order of preference: the first that can be built runs the training.

    `native` is the quickest throughout, but has no conjugate gradient through layers that normalize or attend. Without
    it `reference` learns pattern by pattern several times faster than torch does; `torch` is for batches.
    """
    other = "torch" if all(stage.batch != 1 for stage in training.stages) else "reference"
    through = training.net.transforms and any(stage.rule.conjugate for stage in training.stages)
    return (other,) if through else ("native", other)


def build_engine(training: Training, stage: Stage, name: str, dtype: np.dtype | type | str) -> Engine:
    """An engine of this name for the rule of a stage, all weights 0. SnError if it cannot run it or is not here."""
    return engines.build(name, plan(training.net), training.cost, stage.rule, dtype, constant_options(training, stage))


def build_engine_for_pass(training: Training, number: int, name: str, dtype: np.dtype | type | str) -> Engine:
    """As `engine_for`, for the stage of a pass of the training (from 1)."""
    return build_engine(training, stage_of_pass(training.stages, number)[0], name, dtype)


def native_code(training: Training, stage: Stage, dtype: np.dtype | type | str, assembly: bool = False) -> str:
    """How the native engine learns in a stage, pattern by pattern: LLVM IR, or assembly for this processor. SnError
    without llvmlite.
    """
    native = engines.native_package()
    write = native.asm_text if assembly else native.ir_text
    text: str = write(plan(training.net), training.cost, stage.rule, dtype, constant_options(training, stage))
    return text


def constant_options(training: Training, stage: Stage) -> dict[str, float]:
    """The options of the stage's rule that no pass of the training under this rule changes, for an engine to fold."""
    alike = [other for other in training.stages if other.rule == stage.rule]
    made = {}
    for name, _ in stage.rule.options:
        values = [other.options[name] for other in alike]
        if all(value.kind == "constant" and value.numbers == values[0].numbers for value in values):
            made[name] = values[0].numbers[0]
    return made
