"""The host of an SN-2.8 program: the run folder, data folder, user and options that its caller provides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from snsim.data_classes import dataclass
from snsim.registry import Shelf

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter
    from snsim.network.net import Net


@dataclass(frozen=True)
class Host:
    """The run folder, data folder, user and options of one program.

    `output` makes the run folder; it is called when the program first writes a file.
    """

    kernel: str | None = None  # name of the kernel for a program that chooses none
    data_dir: Path | None = None  # searched for the program's files before SNSIM_DATA
    output: Callable[[], Path] | None = None  # None: the program may not write files
    ask: Callable[[str], bool] | None = None  # asks the user a yes-no question; None: no terminal
    windows: bool = False  # whether windows are shown while the program runs
    pictures: str | None = None  # file type in which its windows are saved at the end, "svg" or "png"
    fast: bool = False  # whether sums may be added in a different order than SN's


def host_of(interpreter: Interpreter) -> Host:
    """Return the default host of a program; `interpreter.keep(host_of, host)` sets another."""
    return Host()


def declared_nets(interpreter: Interpreter) -> Shelf[Net]:
    """Return an empty shelf: the value of `interpreter.part(declared_nets)` for a program that declares no net.

    `interpreter.keep(declared_nets, shelf)` sets the nets that a program declared.
    """
    return Shelf("net")


@contextmanager
def scratch() -> Iterator[Host]:
    """Provide a host for a program that is only analysed: the files it writes are deleted at the end."""

    def make_folder() -> Path:
        from tempfile import TemporaryDirectory  # few texts write files

        return Path(stack.enter_context(TemporaryDirectory(prefix="snsim-")))

    with ExitStack() as stack:
        yield Host(output=make_folder)
