"""What a stream can show: colours on a terminal only, never with NO_COLOR, and faults painted with them.

Text of others may hold the escape sequences of colours too. So `paint` writes marks that nobody else can write: they
hold a number that is drawn at random when snsim starts. `cleaned` turns the marks into colours and escapes everything
else. What is printed goes through `echo` or `write`, in whatever order it was put together.
"""

from __future__ import annotations

import os
import re
import sys
from typing import IO

from snsim.errors import Fault, render
from snsim.escaping import for_terminal

RED, YELLOW, GREEN, CYAN, BOLD, DIM, REVERSE = "31", "33", "32", "36", "1", "2", "7"
_MARK = f"\x1b{os.urandom(8).hex()}"  # begins what `paint` writes in place of a colour
_COLOURS = re.compile(rf"{_MARK}(\[[0-9;]*m)")


def has_colours(stream: IO[str]) -> bool:
    """Whether colours may be written: a terminal that is not dumb, and no NO_COLOR in the environment."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def is_terminal(stream: IO[str]) -> bool:
    return hasattr(stream, "isatty") and stream.isatty()


def paint(text: str, *codes: str, stream: IO[str]) -> str:
    """Return the text with marks for the colours, or as it is where there are none. `echo` and `write` print it."""
    return f"{_MARK}[{';'.join(codes)}m{text}{_MARK}[0m" if has_colours(stream) else text


def echo(text: object, err: bool = False, nl: bool = True) -> None:
    """Print text that may hold names and paths on standard output, or with `err` on standard error.

    Nothing in it steers the terminal but the colours of `paint`, and these only where colours may be written.
    """
    import click

    click.echo(cleaned(str(text), sys.stderr if err else sys.stdout), err=err, nl=nl)


def write(text: str, stream: IO[str]) -> None:
    """Write text that may hold names and paths to a stream, as `echo` prints it, without a newline."""
    stream.write(cleaned(text, stream))


def cleaned(text: str, stream: IO[str]) -> str:
    """Return the text without what would steer a terminal; marks of `paint` become colours if the stream has them."""
    colour = "\x1b{}" if has_colours(stream) else ""
    return "".join(
        colour.format(part) if at % 2 else for_terminal(part) for at, part in enumerate(_COLOURS.split(text))
    )


def painted_fault(fault: Fault, stream: IO[str]) -> str:
    """A fault as `errors.render` writes it, severity and carets in red (yellow for a warning)."""
    colour = RED if fault.severity == "error" else YELLOW
    head, *rest = render(fault).split("\n")
    mark = f"{fault.severity}:"
    lines = [head.replace(mark, paint(mark, BOLD, colour, stream=stream), 1)]
    for line in rest:
        if line.strip() and not line.strip("^ "):
            lines.append(paint(line, colour, stream=stream))
        elif line.startswith("  hint:"):
            lines.append(line.replace("hint:", paint("hint:", CYAN, stream=stream), 1))
        else:
            lines.append(line)
    return "\n".join(lines)
