"""What the parts of the judge read of it, and how they report: the protocol that `judge.Judge` satisfies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np

from snsim.comparison.script.events import Event, Place
from snsim.comparison.script.expected_update import PassSettings
from snsim.comparison.script.find_patterns import PatternFinder
from snsim.comparison.script.result import NO_SIDES, ScriptComparison
from snsim.comparison.script.roles import Roles
from snsim.engines.protocol import Engine
from snsim.network.net import Net
from snsim.training.prepare import PreparedData
from snsim.training.spec import Training


class JudgedScript(Protocol):
    """A script and its description, as far as they have been compared.

    Attributes
    ----------
    patterns : int
        Of a pass.
    weights : array or None
        The last weights of the script that were seen, flat; `weights_number` counts its snapshots.
    batch : int
        Patterns of a backward pass.
    cost_factors : list of float
        For each backward pass the cost of the script over that of the description.
    agreed_steps : int
        How many steps were as described.
    optimizers : list of Event
        The options of the optimizer, as they changed.
    """

    training: Training
    data: PreparedData
    comparison: ScriptComparison
    net: Net
    patterns: int
    finder: PatternFinder
    roles: Roles | None
    weights: np.ndarray | None
    weights_number: int
    batch: int
    cost_factors: list[float]
    agreed_steps: int
    optimizers: list[Event]

    @property
    def epsilon(self) -> float: ...

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
    ) -> None: ...

    def has(self, *kinds: str) -> bool: ...

    def noted(self, word: str) -> bool: ...

    def pass_settings(self, presentation: int) -> PassSettings: ...

    def engine(self, dtype: str = "float64") -> Engine: ...

    def layers(self) -> list[tuple[str, str, np.ndarray]]: ...
