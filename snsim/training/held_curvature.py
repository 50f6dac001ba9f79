"""The curvature held during a pass, `(curvature N)`: mean diagonal second derivatives over patterns drawn anew."""

from __future__ import annotations

import numpy as np

from snsim.engines.protocol import Engine
from snsim.training.prepare import Patterns
from snsim.training.spec import Stage


def held_curvature(
    stage: Stage, patterns: Patterns, engine: Engine, draw: np.random.Generator
) -> dict[str, np.ndarray] | None:
    """Mean h (or h-full, as the rule mentions) over N training patterns by parameter name; None if not asked for.

    The patterns are drawn without replacement (LeCun, Bottou, Bengio and Haffner 1998, appendix C: 500 of 60,000
    before each pass).
    """
    if stage.curvature_patterns is None or stage.rule.curvature is None:
        return None
    chosen = draw.permutation(len(patterns))[: stage.curvature_patterns]
    return engine.curvature(patterns.inputs[chosen], patterns.targets[chosen], stage.rule.curvature)
