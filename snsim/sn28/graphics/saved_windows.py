"""Save the windows of a program as picture files when it ends, or show them while it runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from snsim.atomic_files import write_atomically
from snsim.errors import Fault, fail
from snsim.input_files import unwritable
from snsim.runtime.file_lookup import ProgramFiles
from snsim.sn28.graphics.canvas import Screen, Window
from snsim.sn28.graphics.live_windows import open_live
from snsim.sn28.graphics.raster import pixels, png
from snsim.sn28.graphics.svg import svg

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

ENCODERS: dict[str, Callable[[Window], bytes]] = {  # from suffix to the content of a picture file
    "svg": lambda window: svg(window).encode(),
    "png": lambda window: png(pixels(window)),
}


def windows(interpreter: Interpreter) -> list[Window]:
    """Return the windows that a program opened, in order."""
    return interpreter.part(Screen).windows


@contextmanager
def show_while_running(interpreter: Interpreter) -> Iterator[None]:
    """Show the windows of a program in the `with` block, and then until the user closes them.

    Raise SnError before the block if windows cannot be shown on this machine.
    """
    live, screen = open_live(), interpreter.part(Screen)
    screen.on_change = live.update
    try:
        yield
    finally:
        screen.on_change = None
    live.wait(screen.windows)


def save_pictures(interpreter: Interpreter, folder: Path, kind: str = "svg") -> list[Path]:
    """Write a picture of each window to a folder, `1-title.svg` and so on, and return their paths, in order.

    `kind` is "svg" or "png". The folder is made if there is a window. Raise SnError if a file cannot be written. The
    interpreter gets a warning for each window that dropped old marks.
    """
    paths = []
    for window in windows(interpreter):
        path = folder / f"{file_name(window)}.{kind}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            content = ENCODERS[kind](window)
            interpreter.part(ProgramFiles).record_size(path, len(content))
            write_atomically(path, content)
        except OSError as error:
            sentence, remedy = unwritable(path, error)
            raise fail(sentence, hint=remedy) from None
        paths.append(path)
        if window.overflowed:
            interpreter.warnings.append(
                Fault(
                    f'too much was drawn in the window "{window.title}": {path.name} shows only the latest marks',
                    None,
                    hint="clear the window with (cls) before drawing more",
                    severity="warning",
                )
            )
    return paths


def file_name(window: Window) -> str:
    """Return a file name without suffix from the number and title of a window: `2-percent-correct`."""
    title = re.sub(r"[^a-z0-9]+", "-", window.title.lower()).strip("-")[:40].strip("-")
    return f"{window.number}-{title or 'window'}"
