"""Keep what does not change between the passes of a stage, so that a pass of few patterns costs little.

A pass over the four patterns of XOR takes the engine some microseconds. Computing its learning rates, masks and scores
from the description each time would take a hundred times longer.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from snsim.engines.protocol import Engine, Settings
from snsim.training.parameter_scopes import RatesOfStage, decays_of
from snsim.training.prepare import PreparedData
from snsim.training.pruning import KEPT_STATE, KeptMasks, kept_masks, parameters_with_remaining_lines
from snsim.training.spec import Stage, Training

_MOMENT = 0.05  # seconds of training between two progress reports, at which an interrupt is handled
_SMALL = 1000  # patterns of a chunk that need little memory; a larger chunk has at most half of those of a pass


class StageConstants:
    """What the passes of one stage have in common.

    `masks` are those of the weights that remain; None if none was pruned. `batch` is the number of patterns in an
    update. `chunk` is the number of batches that one call of the engine learns: the loop adapts it, and it changes
    only the time. Engines of plug-ins start each pass with one batch, because what they learn may depend on it. Nets
    that learn at the same time state their patterns in a call, `patterns_of_call`, so that all have the same.
    `targets` are those of the training patterns, in numbers of the engine.
    """

    def __init__(self, training: Training, stage: Stage, data: PreparedData, engine: Engine):
        self._stage = stage
        self.masks: KeptMasks | None = None
        if KEPT_STATE in stage.rule.states:  # else none was pruned, known without a copy of the state
            self.masks = kept_masks(training.net, engine.state())
        parameters = None
        if self.masks is not None and not stage.rule.conjugate:
            parameters = parameters_with_remaining_lines(training.net, self.masks, training.fan_in)
        self._rates = RatesOfStage(stage, training.net, training.fan_in, parameters)
        self._decays = decays_of(stage, training.net)
        self.targets = np.asarray(data.train.targets, engine.dtype)
        self.batch = min(stage.batch or len(data.train), len(data.train))
        self._settings: Settings | None = None
        self._keeps_chunks = getattr(engine, "keeps_chunks", False)
        self._patterns_of_call: int | None = getattr(engine, "patterns_of_call", None)
        self.chunk = max(1, (self._patterns_of_call or 1) // self.batch)

    def start_pass(self) -> None:
        """Begin a pass with one batch in a call, as engines of plug-ins may depend on it; not so for our own."""
        if not self._keeps_chunks:
            self.chunk = 1

    def settings(
        self, inside: int, options: Mapping[str, float], held_curvature: Mapping[str, np.ndarray] | None
    ) -> Settings:
        """Return the settings of pass `inside` (from 1) of the stage.

        It is the same object as for the pass before if the numbers are the same: an engine then keeps what it has
        computed from them.
        """
        rates, last = self._rates.in_pass(inside), self._settings
        if last is None or held_curvature is not None or rates is not last.rates or options != last.options:
            last = self._settings = Settings(
                rates=rates,
                options=options,
                batch=self.batch,
                batch_mean=self._stage.batch_mean,
                held_curvature=held_curvature,
                decays=self._decays,
            )
        return last

    def adapt_chunk(self, seconds: float, total: int) -> None:
        """Adapt the size of a chunk to the seconds that one took, of a pass of `total` patterns."""
        if self._patterns_of_call is not None:
            return
        if seconds < _MOMENT and 2 * self.chunk * self.batch <= max(_SMALL, total // 2):
            self.chunk *= 2
        elif seconds > 4 * _MOMENT and self.chunk > 1:
            self.chunk //= 2
