"""What the code of a net asks of a kernel: the protocol of connections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from snsim.engines.native.layout import ParameterCells
from snsim.engines.native.llvm_ir import Function
from snsim.engines.native.target import Address
from snsim.engines.native.update_rules import GradientSums, UpdateCode


class ConnectionKernel(Protocol):
    """A link ready to be emitted."""

    name: str  # of the parameter with its weights

    @property
    def cells(self) -> ParameterCells: ...

    def emit_forward(self, f: Function, first: bool) -> None:
        """The sums of the target: stored if `first`, else added."""

    def emit_backward(
        self, f: Function, channels: Sequence[str], errors: bool, first: bool, sink: UpdateCode | GradientSums
    ) -> None:
        """What goes back to the source, if it wants `errors` (stored if `first`), then the updates."""


class TransformKernel(Protocol):
    """A transfer ready to be emitted: attention.py, normalization.py."""

    def emit_forward(self, f: Function, first: bool) -> None:
        """Results into the sums of the target: stored if `first`, else added."""

    def emit_backward(
        self, f: Function, channels: Sequence[str], wanted: Sequence[bool], first: Sequence[bool]
    ) -> None:
        """What goes back to each source that wants it: stored if `first`, else added."""

    def emit_tangent(self, f: Function, moved: Sequence[Address], into: Address, first: bool) -> None:
        """How the results move where the states of the sources do: stored if `first`, else added."""
