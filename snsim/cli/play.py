"""`snsim play`: edit a description in the browser while its net learns beside it, or watch a run."""

from __future__ import annotations

import contextlib
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snsim.cli.options import Whole
from snsim.cli.reading import named_path
from snsim.colour import echo
from snsim.errors import fail
from snsim.escaping import for_line
from snsim.gallery import find_named
from snsim.input_files import is_folder

if TYPE_CHECKING:
    from snsim.page.play.server import Playground

_PORTS = 65_535


@click.command()
@click.argument("source", metavar="[FILE|NET|RUN]", default="lecun89")
@click.option("--training", metavar="NAME", help="Training of the file that learns. [default: the first]")
@click.option("--data", "data", multiple=True, metavar="NAME", help="Data set in the page; repeat by preference.")
@click.option("--seed", type=Whole(min=0), metavar="N", help="Seed of the initial weights and of the order.")
@click.option("--port", type=Whole(min=0), metavar="N", help="Port on 127.0.0.1. [default: a free one]")
@click.option("--open/--no-open", "opens", default=True, help="Open the address in the browser.")
def play(
    source: str, training: str | None, data: tuple[str, ...], seed: int | None, port: int | None, opens: bool
) -> None:
    r"""Show the text of a description beside the net that learns in a page, and compile each change of the text.

    \b
    snsim play mine.sn       edit mine.sn; it is written when you save it
    snsim play lecun89       a net of the gallery
    snsim play runs/mine     a run folder, shown as it is written

    Only this machine can reach the address, and only with the token in it. Ctrl-C ends it.
    """
    from snsim.page.play.server import PlayServer

    if port is not None and port > _PORTS:
        raise fail(f"{port:,} is no port: the largest is {_PORTS:,}", hint="leave --port out: a free one is found")
    playground = _playground(source, {"training": training, "data": list(data), "seed": seed})
    try:
        server = PlayServer(playground, port or 0)
    except OSError as problem:
        playground.close()
        raise fail(
            f"port {port} cannot be used: {problem.strerror or problem}", hint="leave --port out: a free one is found"
        ) from None
    echo(f"{for_line(playground.name)}: {server.address}\nCtrl-C ends it")
    if opens:
        # In a thread: a browser in a terminal keeps the caller until it ends.
        threading.Thread(target=webbrowser.open, args=(server.entrance,), daemon=True).start()
    with contextlib.closing(playground), server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


def _playground(source: str, chosen: dict[str, object]) -> Playground:
    from snsim.language.source_files import read_source
    from snsim.page.play.server import Playground
    from snsim.run_folder import open_run

    path = Path(named_path(source, "net"))
    if is_folder(path):
        return Playground(str(path), "", None, open_run(path).folder, chosen)
    is_own = find_named(source, ("net",)).kind == "path"
    return Playground(str(path), read_source(path).text, path if is_own else None, None, chosen)
