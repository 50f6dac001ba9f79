"""Escape text that others wrote for a terminal, a shell command, JSON, HTML or Markdown.

A file name or a message may hold escape sequences that control a terminal, newlines that forge a line of output, or
characters that mean something in a shell or a page. There is one function for each target. `errors` has those that its
renderer needs.
"""

from __future__ import annotations

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

_MARKS = re.compile(r"[\\`*_{}\[\]<>|~$&]|^(?=[#+=-])|(?<=^\d)(?=[.)])")  # characters that are markup in Markdown


def for_stream(text: str, stream: IO[str]) -> str:
    """Return the text unchanged, or with hidden characters escaped if the stream is a terminal."""
    return for_terminal(text) if hasattr(stream, "isatty") and stream.isatty() else text


def for_shell(arguments: Iterable[object]) -> str:
    """Return a command that can be copied into a shell, with each argument quoted.

    An argument with hidden characters is written as `$'...'`, which bash and zsh read. A path that begins with a hyphen
    becomes ./-name, so that it is not read as an option.
    """
    return " ".join(
        _quoted(f"./{argument}" if isinstance(argument, PurePath) and str(argument).startswith("-") else str(argument))
        for argument in arguments
    )


def for_json(value: object) -> str:
    """Return a value as one line of JSON without hidden characters. Infinite numbers and NaN become null."""
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), allow_nan=False)
    return text.replace("\x7f", "\\u007f")  # json.dumps escapes all control characters but this one


def _finite(value: object) -> object:
    """Replace infinite numbers and NaN by None in a value of JSON: a loss may overflow."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def for_html(text: object) -> str:
    """Escape text for an element or an attribute of HTML or XML. Hidden characters become numbers.

    XML allows no control characters, and a file in UTF-8 cannot hold half a surrogate pair.
    """
    import html

    return html.escape(for_terminal(str(text)))


def for_markdown(text: object) -> str:
    """Escape text for a line of Markdown or a cell of a table."""
    line = " ".join(str(text).split("\n"))
    return _MARKS.sub(lambda match: "\\" + match[0], for_line(line))


def for_markdown_code(text: object) -> str:
    """Return text as code for a line of Markdown or a cell of a table, between more backticks than it holds."""
    line = for_line(text).replace("|", "\\|")
    most = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (most + 1)
    blank = " " if most else ""
    return f"{fence}{blank}{line}{blank}{fence}"


def _quoted(argument: str) -> str:
    if argument.isprintable() or not any(map(is_hidden, argument)):
        return shlex.quote(argument)
    # Bytes that are no UTF-8 are surrogates here. An octal number has three digits, so no following digit joins it.
    quoted = "".join(
        "".join(f"\\{byte:03o}" for byte in c.encode("utf-8", "surrogateescape"))
        if is_hidden(c)
        else "\\" + c
        if c in "\\'"
        else c
        for c in argument
    )
    return f"$'{quoted}'"
