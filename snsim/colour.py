"""Print text in colours on a terminal, and escape everything else that controls a terminal.

A file name or a message may hold escape sequences too. So `paint` writes marks that nobody can forge: they contain a
number that is drawn at random when snsim starts. `cleaned` replaces these marks by colours and escapes everything else.
`echo` and `write` call it. Files and pipes get no colours, and neither does a terminal if the variable NO_COLOR is set.
"""

from __future__ import annotations

import os
import re
import sys
from typing import IO

from snsim.errors import Fault, render
from snsim.escaping import for_terminal

RED, YELLOW, GREEN, CYAN, BOLD, DIM, REVERSE = "31", "33", "32", "36", "1", "2", "7"
_MARK = f"\x1b{os.urandom(8).hex()}"  # the beginning of what `paint` writes for a colour
_COLOURS = re.compile(rf"{_MARK}(\[[0-9;]*m)")
_PLAIN = re.compile(r"[ -~\n]*")


def has_colours(stream: IO[str]) -> bool:
    """Tell whether a stream takes colours: a terminal that is not dumb, without NO_COLOR in the environment."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def is_terminal(stream: IO[str]) -> bool:
    """Tell whether a stream is a terminal."""
    return hasattr(stream, "isatty") and stream.isatty()


def paint(text: str, *codes: str, stream: IO[str]) -> str:
    """Return the text with marks for colours, or unchanged if the stream takes none. Print it by `echo` or `write`."""
    return f"{_MARK}[{';'.join(codes)}m{text}{_MARK}[0m" if has_colours(stream) else text


def echo(text: object, err: bool = False, nl: bool = True) -> None:
    """Print text on standard output, or with `err` on standard error, with a newline if `nl`.

    The text may hold names and paths of others: everything that controls a terminal is escaped, except the colours of
    `paint`.
    """
    import click

    click.echo(cleaned(str(text), sys.stderr if err else sys.stdout), err=err, nl=nl)


def write(text: str, stream: IO[str]) -> None:
    """Write text to a stream as `echo` prints it, without a newline."""
    stream.write(cleaned(text, stream))


def flush(stream: IO[str]) -> None:
    """Flush a stream. An OSError that leaves this function or `write` is about the output, not about a file."""
    stream.flush()


def cleaned(text: str, stream: IO[str]) -> str:
    """Escape what controls a terminal, and replace the marks of `paint` by colours if the stream takes them."""
    if _PLAIN.fullmatch(text):
        return text
    colour = "\x1b{}" if has_colours(stream) else ""
    return "".join(
        colour.format(part) if at % 2 else for_terminal(part) for at, part in enumerate(_COLOURS.split(text))
    )


def painted_fault(fault: Fault, stream: IO[str]) -> str:
    """Return a fault as `errors.render` writes it, with severity and carets in red, or yellow for a warning."""
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
