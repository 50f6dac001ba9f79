"""Write text of others where it can do no harm: on a terminal, in a shell command, in JSON, in Markdown.

A file name, a message or a text of a program may hold escape sequences that
steer a terminal, line breaks that forge a line of output, or characters that a shell or a page takes for its own. One
function for each target language. What the renderer of faults needs stands in `errors`.
"""

from __future__ import annotations

import html
import json
import math
import re
import shlex
from collections.abc import Iterable
from pathlib import PurePath
from typing import IO

from snsim.errors import for_line, for_terminal, is_hidden

__all__ = [
    "for_html",
    "for_json",
    "for_line",
    "for_markdown",
    "for_markdown_code",
    "for_shell",
    "for_stream",
    "for_terminal",
    "is_hidden",
]

_MARKS = re.compile(r"[\\`*_{}\[\]<>|~$&]|^(?=[#+=-])|(?<=^\d)(?=[.)])")  # what Markdown takes for its own


def for_stream(text: str, stream: IO[str]) -> str:
    """Return the text as it is, or, where the stream is a terminal, without what would steer it."""
    return for_terminal(text) if hasattr(stream, "isatty") and stream.isatty() else text


def for_shell(arguments: Iterable[object]) -> str:
    """Return a command to be copied: each argument quoted, one with hidden characters as `$'...'` of bash and zsh.

    A path that begins with a hyphen is written as ./-name, so that no command takes it for an option.
    """
    return " ".join(
        _quoted(f"./{argument}" if isinstance(argument, PurePath) and str(argument).startswith("-") else str(argument))
        for argument in arguments
    )


def for_json(thing: object) -> str:
    """Return a value as one line of JSON that holds no hidden character. Numbers that are not finite become null."""
    try:
        text = json.dumps(thing, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(thing), allow_nan=False)
    return text.replace("\x7f", "\\u007f")  # the one that json.dumps leaves


def _finite(thing: object) -> object:
    """A value of JSON with None for what JSON has no number for: a loss may overflow."""
    if isinstance(thing, dict):
        return {key: _finite(value) for key, value in thing.items()}
    if isinstance(thing, (list, tuple)):
        return [_finite(value) for value in thing]
    return None if isinstance(thing, float) and not math.isfinite(thing) else thing


def for_html(text: object) -> str:
    """Return text as HTML or XML shows it, in an element or in an attribute; hidden characters become numbers.

    XML has no control characters at all, and no file in UTF-8 can hold half a surrogate pair.
    """
    return html.escape(for_terminal(str(text)))


def for_markdown(text: object) -> str:
    """Return text as part of one line of Markdown, without markup: also for a cell of a table."""
    line = " ".join(str(text).split("\n"))
    return _MARKS.sub(lambda found: "\\" + found[0], for_line(line))


def for_markdown_code(text: object) -> str:
    """Return text as code in a line of Markdown, between more backticks than it holds, also for a cell of a table."""
    line = for_line(text).replace("|", "\\|")
    most = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (most + 1)
    blank = " " if most else ""
    return f"{fence}{blank}{line}{blank}{fence}"


def _quoted(argument: str) -> str:
    if argument.isprintable() or not any(map(is_hidden, argument)):
        return shlex.quote(argument)
    # Bytes that are no UTF-8 came as surrogates; in octal each byte is itself, whatever follows it.
    made = "".join(
        "".join(f"\\{byte:03o}" for byte in c.encode("utf-8", "surrogateescape"))
        if is_hidden(c)
        else "\\" + c
        if c in "\\'"
        else c
        for c in argument
    )
    return f"$'{made}'"
