"""A Sphinx extension that writes the generated pages: language, command line, terms, gallery.

They come from what snsim itself knows: the glossary, the commands, the nets. A new word, option or net therefore
appears without an edit of a page. The pages are written beside the others and are not under version control.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from command_pages import command_pages
from gallery_pages import gallery_pages
from language_pages import language_pages
from term_pages import term_pages

from snsim.editor.lexer import SnLexer

Write = Callable[[str, str | bytes], None]  # a path inside docs/ and the content

FOLDERS = ("reference/language", "reference/command-line", "gallery")  # everything in them is generated
FILES = ("reference/terms.md",)


def write_pages(app: Any) -> None:
    """Write every generated page. A page that has not changed keeps its time, so that Sphinx does not read it again."""
    source = Path(app.srcdir)
    written: set[Path] = set()

    def write(path: str, content: str | bytes) -> None:
        place = source / path
        written.add(place)
        data = content.encode() if isinstance(content, str) else content
        if not place.exists() or place.read_bytes() != data:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)

    for pages in (language_pages, command_pages, term_pages, gallery_pages):
        pages(write)
    for folder in FOLDERS:  # a page whose subject is gone
        for place in (source / folder).rglob("*"):
            if place.is_file() and place not in written:
                place.unlink()
    # House and figures are shown by pages, and stand elsewhere too.


def copy_live_pages(app: Any, error: Exception | None) -> None:
    """Copy the pages in which nets learn into the site: they are whole HTML files, no sources of Sphinx."""
    live = Path(app.srcdir) / "gallery" / "_live"
    if error is None and live.is_dir() and app.builder.format == "html":
        shutil.copytree(live, Path(app.outdir) / "gallery" / "live", dirs_exist_ok=True)


def setup(app: Any) -> dict[str, bool]:
    for name in ("sn", "sn28", "lisp"):
        app.add_lexer(name, SnLexer)
    app.connect("builder-inited", write_pages)
    app.connect("build-finished", copy_live_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
