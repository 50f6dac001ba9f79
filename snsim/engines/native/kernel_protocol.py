"""What the code of a net asks of its kernels: the protocols of connections and transforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from snsim.engines.native.layout import ParameterCells
from snsim.engines.native.llvm_ir import Function
from snsim.engines.native.target import Address
from snsim.engines.native.update_rules import Sink


class ConnectionKernel(Protocol):
    """A link that can emit its code."""

    @property
    def name(self) -> str:
        """Return the name of the parameter with its weights."""

    @property
    def cells(self) -> ParameterCells: ...

    def emit_forward(self, f: Function, first: bool) -> None:
        """Emit the sums of the target: stored if `first`, else added."""

    def emit_backward(self, f: Function, channels: Sequence[str], errors: bool, first: bool, sink: Sink) -> None:
        """Emit the errors of the source, if it wants `errors` (stored if `first`, else added), then the updates."""


class Functions(Protocol):
    """The functions of a link that are being written."""

    def of_pattern(self) -> Function:
        """Return the one that runs for the cells of each pattern of a group."""

    def of_group(self) -> Function:
        """Return the one that runs for all patterns of a group, whose number is its argument `patterns`."""


class TransformKernel(Protocol):
    """A transfer that can emit its code: attention.py, max_pooling.py, normalization.py."""

    def emit_forward(self, f: Function, first: bool) -> None:
        """Emit the results into the sums of the target: stored if `first`, else added."""

    def emit_backward(
        self, f: Function, channels: Sequence[str], wanted: Sequence[bool], first: Sequence[bool]
    ) -> None:
        """Emit for each channel the errors of each source that wants them: stored if `first`, else added."""

    def emit_tangent(self, f: Function, tangents: Sequence[Address], into: Address, first: bool) -> None:
        """Emit the derivative of the results along the tangents of the sources: stored if `first`, else added.

        It reads what `emit_forward` has kept.
        """
