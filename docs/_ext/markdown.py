"""Write pieces of Markdown (MyST)."""

from __future__ import annotations

import re
from collections.abc import Sequence


def cell(text: str) -> str:
    """Return a text for one cell of a table."""
    return plain(" ".join(text.split())).replace("|", "\\|")


def plain(text: str) -> str:
    """Escape what Markdown would read as markup, except code in backticks."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_<>\[\]#$])", r"\\\1", part) for part in parts)


def code(text: str) -> str:
    """Return a text as code in a line."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], sides: str = "") -> str:
    """Return a table; `sides` has "r" for each column of numbers."""
    rule = ["--:" if side == "r" else ":--" for side in sides.ljust(len(heads), "l")]
    return "\n".join("| " + " | ".join(line) + " |" for line in (heads, rule, *rows)) + "\n"


def block(text: str, language: str = "text") -> str:
    """Return a block of code."""
    fence = "`" * max(3, max((len(run) + 1 for run in re.findall(r"`{3,}", text)), default=3))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}\n"


def anchor(text: str) -> str:
    """Return a name as a target for links: letters, digits and hyphens, one to one."""
    return re.sub(r"[^a-z0-9-]", lambda match: f"x{ord(match[0]):x}", text.lower())


def toctree(entries: Sequence[str], depth: int = 1, hidden: bool = False) -> str:
    head = f"```{{toctree}}\n:maxdepth: {depth}\n" + (":hidden:\n" if hidden else "")
    return head + "\n" + "\n".join(entries) + "\n```\n"
