"""What a training presents, update by update, as it does when it runs: drawn once and then shown to both sides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from snsim.engines.protocol import NO_GATES, NO_NOISES, Engine, Settings
from snsim.errors import fail
from snsim.training.loop import PassResult, training_events
from snsim.training.prepare import PreparedData
from snsim.training.spec import Training


@dataclass(frozen=True, eq=False)
class Update:
    """One update of the weights: the patterns of a batch, shifted, noisy and with their gates as the training has it.

    `end` presentations are done after it; `number` is that of the pass, from 1. Inputs (patterns, input units) have
    gates of the input layer multiplied in already; `gates` are those of other layers, `noises` what is added to their
    weighted sums, (patterns, units).
    """

    end: int
    number: int
    inputs: np.ndarray
    targets: np.ndarray
    settings: Settings
    gates: Mapping[str, np.ndarray]
    noises: Mapping[str, np.ndarray]


_Heard = tuple[np.ndarray, np.ndarray, Settings, Mapping[str, np.ndarray], Mapping[str, np.ndarray]]


class _Tape:
    """An engine that keeps what it is given to learn, and learns it."""

    def __init__(self, engine: Engine):
        self._engine = engine
        self.heard: list[_Heard] = []

    def __getattr__(self, name: str) -> Any:  # all else is the engine's
        return getattr(self._engine, name)

    def learn(
        self,
        inputs: np.ndarray,
        targets: np.ndarray,
        settings: Settings,
        gates: Mapping[str, np.ndarray] = NO_GATES,
        noises: Mapping[str, np.ndarray] = NO_NOISES,
    ) -> None:
        self.heard.append((inputs, targets, settings, gates, noises))
        self._engine.learn(inputs, targets, settings, gates, noises)


def updates(training: Training, data: PreparedData, engine: Engine, seed: int, presentations: int) -> list[Update]:
    """The updates of a training until so many presentations are done, whole batches, or until it ends.

    The engine, which has the initial weights, learns them: a curvature held during a pass is that of its weights.
    """
    tape = _Tape(engine)
    made: list[Update] = []
    number, heard = 1, 0
    for step in training_events(training, data, cast(Engine, tape), seed):
        if isinstance(step, PassResult):
            number = step.number + 1
            continue
        for piece in tape.heard[heard:]:
            for update in _batches(*piece, made[-1].end if made else 0, number):
                if made and made[-1].end >= presentations:
                    return made
                made.append(update)
        heard = len(tape.heard)
        if made and made[-1].end >= presentations:
            return made
    if not made:
        raise fail(
            f"training {training.name} presents no patterns to learn from in its first stage",
            training.span,
            hint="compare a training that begins with one that learns",
        )
    return made


def _batches(
    inputs: np.ndarray,
    targets: np.ndarray,
    settings: Settings,
    gates: Mapping[str, np.ndarray],
    noises: Mapping[str, np.ndarray],
    done: int,
    number: int,
) -> Iterator[Update]:
    for start in range(0, len(inputs), settings.batch):
        batch = slice(start, min(start + settings.batch, len(inputs)))
        drawn = ({layer: values[batch] for layer, values in of_layers.items()} for of_layers in (gates, noises))
        yield Update(done + batch.stop, number, inputs[batch], targets[batch], settings, *drawn)
