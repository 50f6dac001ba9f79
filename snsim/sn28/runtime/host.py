"""What is said about a program of SN-2.8 beside its text: by the command line, or by whoever runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


@dataclass(frozen=True)
class Host:
    """Where a program runs. `output` makes the run folder, and is called when something is first written."""

    kernel: str | None = None  # of the four, for a program that chooses none
    data_dir: Path | None = None  # where its files are looked for before SNSIM_DATA
    output: Callable[[], Path] | None = None  # None: it writes nothing
    ask: Callable[[str], bool] | None = None  # puts a question to the user; None: nobody is there
    windows: bool = False  # whether windows are shown while it runs
    pictures: str | None = None  # the kind of file in which its windows are saved at the end, "svg" or "png"
    fast: bool = False  # whether sums may be added in another order than SN's


def host_of(interpreter: Interpreter) -> Host:
    """The surroundings of a program nothing is said about; others are set by `interpreter.keep(surroundings, ...)`."""
    return Host()


@contextmanager
def scratch() -> Iterator[Host]:
    """Surroundings of a program that is only looked at: what it writes is thrown away at the end."""
    with ExitStack() as stack:
        yield Host(output=lambda: Path(stack.enter_context(TemporaryDirectory(prefix="snsim-"))))
