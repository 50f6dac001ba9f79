"""What the tests of SN-2.8's words share: a program that is run in a folder of its own, and what it printed."""

import io
from pathlib import Path

from snsim.errors import SnError, Source
from snsim.language.limits import Limits
from snsim.program import Host, read_program


def printed(text, folder=None, files=None, limits=Limits(), presets=None, **around):
    """What a program prints. `folder`: where its text stands, `run` in it is its run folder; `files`: others there;
    `presets`: values of --set."""
    port = io.StringIO()
    if folder is not None:
        for name, content in (files or {}).items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content)
        around = {"output": lambda: _made(Path(folder) / "run"), **around}
    name = "<test>" if folder is None else str(Path(folder) / "program.sn")
    read_program(Source(name, text), presets=presets, port=port, limits=limits, around=Host(**around))
    return port.getvalue()


def fault(text, folder=None, **more):
    """The first fault of a program: its sentence with the remedy, its line and its column."""
    try:
        out = printed(text, folder, **more)
    except SnError as error:
        first = error.faults[0]
        assert first.span is not None, first
        return f"{first.message} {first.hint}", first.span.line, first.span.column
    raise AssertionError(f"no error; printed: {out}")


def _made(folder):
    folder.mkdir(exist_ok=True)
    return folder
