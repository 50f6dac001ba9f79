"""The updates of a training, recorded while it runs and then shown to both sides of a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from snsim.engines.protocol import NO_GATES, NO_NOISES, Engine, Settings
from snsim.engines.recurrent import RecurrentEngine
from snsim.errors import fail
from snsim.training.loop import PassResult, training_events
from snsim.training.prepare import PreparedData
from snsim.training.spec import Training


@dataclass(frozen=True, eq=False)
class Update:
    """One update of the weights: the patterns of a batch with shifts, noise and gates as the training draws them.

    `end` presentations are done after it. `number` is the number of the pass, from 1. Inputs are (patterns, input
    units), already multiplied by gates of the input layer; for a net with delays they are rows of the unrolled net.
    `gates` are those of the other layers. `noises` are added to their weighted sums, (patterns, units).
    """

    end: int
    number: int
    inputs: np.ndarray
    targets: np.ndarray
    settings: Settings
    gates: Mapping[str, np.ndarray]
    noises: Mapping[str, np.ndarray]


_LearnCall = tuple[np.ndarray, np.ndarray, Settings, Mapping[str, np.ndarray], Mapping[str, np.ndarray]]


class _RecordingEngine:
    """An engine that records the arguments of `learn`, and learns."""

    def __init__(self, engine: Engine):
        self._engine = engine
        self.calls: list[_LearnCall] = []

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
        self.calls.append((inputs, targets, settings, gates, noises))
        self._engine.learn(inputs, targets, settings, gates, noises)


def updates(training: Training, data: PreparedData, engine: Engine, seed: int, presentations: int) -> list[Update]:
    """Return the updates of a training for this many presentations (whole batches), or until it ends.

    The engine, which has the initial weights, learns them: a curvature held during a pass is that of its weights.
    """
    recorder = _RecordingEngine(engine)
    calls, learning = recorder.calls, cast(Engine, recorder)
    if isinstance(engine, RecurrentEngine):
        calls, learning = _rows_of_steps(engine), engine
    recorded: list[Update] = []
    number, read_calls = 1, 0
    for step in training_events(training, data, learning, seed):
        if isinstance(step, PassResult):
            number = step.number + 1
            continue
        for call in calls[read_calls:]:
            for update in _batches(*call, recorded[-1].end if recorded else 0, number):
                if recorded and recorded[-1].end >= presentations:
                    return recorded
                recorded.append(update)
        read_calls = len(calls)
        if recorded and recorded[-1].end >= presentations:
            return recorded
    if not recorded:
        raise fail(
            f"training {training.name} presents no patterns in its first stage",
            training.span,
            hint="compare a training whose first stage has patterns to learn",
        )
    return recorded


def _rows_of_steps(engine: RecurrentEngine) -> list[_LearnCall]:
    """Return a list that grows by the rows of each batch of a net with delays, but for those near a sequence's start.

    There fewer steps are computed than in the other rows.
    """
    calls: list[_LearnCall] = []

    def note(rows: np.ndarray, targets: np.ndarray, settings: Settings, is_whole: bool) -> None:
        if is_whole:
            calls.append((rows, targets, settings, NO_GATES, NO_NOISES))

    engine.listen(note)
    return calls


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
