"""Stop at overflow, division by zero and invalid operations, as Lush does: there is no NaN and no infinity in it."""

from __future__ import annotations

from types import TracebackType

import numpy as np

from snsim.language.procedures import CallError


class Trap:
    """Within `with Trap():` a faulty floating-point operation of NumPy raises CallError `Floating exception`."""

    __slots__ = ("_state",)

    def __enter__(self) -> None:
        self._state = np.errstate(over="raise", divide="raise", invalid="raise", under="ignore")
        self._state.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._state.__exit__(kind, error, trace)
        if isinstance(error, FloatingPointError):
            raise floating_exception(str(error)) from None


def floating_exception(reason: str) -> CallError:
    """Return the error for a faulty operation; `reason` is NumPy's sentence: `overflow encountered in exp`."""
    what = reason.split(" encountered")[0].replace("divide by zero", "division by zero")
    hints = {
        "overflow": "the result is too large for its type: scale the numbers, or lower the learning rate",
        "division by zero": "add a small number to the divisor first",
    }
    return CallError(
        f"Floating exception: {what}", None, hints.get(what, "the operation has no result for these numbers")
    )
