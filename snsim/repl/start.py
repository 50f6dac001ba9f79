"""`snsim repl`: a session on a terminal, or one that reads its forms from a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Mapping

from snsim import __version__
from snsim.doors.terminal import BOLD, is_terminal, paint

if TYPE_CHECKING:
    from snsim.repl.session import Session

_BANNER = "(help) says what can be typed here; Ctrl-D leaves"


def start(file: str | None, given: Mapping[str, object]) -> int:
    """Ask and answer; with a file, that is evaluated first. `given`: the options of the command line. Exit code."""
    if is_terminal(sys.stdin) and is_terminal(sys.stdout):
        from snsim.repl import terminal

        banner = f"{paint(f'snsim {__version__}', BOLD, stream=sys.stdout)}   {_BANNER}"
        return terminal.run(lambda: _session(given), banner, None if file is None else lambda s: _load(s, file))
    from snsim.language.loading import read_input
    from snsim.repl.dialogue import run_script

    session = _session(given)
    good = file is None or _load(session, file)
    try:
        return max(run_script(session, read_input().text), 0 if good else 1)
    finally:
        close(session)


def _session(given: Mapping[str, object]) -> Session:
    from snsim.doors.acting import RunFolder
    from snsim.doors.run import options_from
    from snsim.errors import Source
    from snsim.program import Surroundings
    from snsim.repl.session import Session

    options = options_from({**_NOTHING_SAID, **given}, {})
    folder = RunFolder(Source("<prompt>", ""), options, None)
    asks = is_terminal(sys.stdin)
    around = Surroundings(None, options.data_dir, folder.make,
                          _ask if asks else None, windows=bool(given.get("windows")), pictures="svg")
    return Session(sys.stdout, options, around)


_NOTHING_SAID = {"engine": None, "dtype": None, "data": (), "data_dir": None, "initial": None, "passes": None,
                 "out": None, "offline": False}


def _ask(question: str) -> bool:
    return not input(f"{question} [Y/n] ").strip().lower().startswith("n")


def _load(session: Session, file: str) -> bool:
    from snsim.errors import Source
    from snsim.language.printer import show
    from snsim.repl.dialogue import answer

    return answer(session, Source("<prompt>", f"(load {show(file)})"), sys.stderr)


def close(session: Session) -> None:
    """Save what words of SN drew in windows, if they drew."""
    from snsim.sn28.pictures import save_pictures, windows
    from snsim.sn28.surroundings import surroundings

    place = session.interpreter.part(surroundings)
    if windows(session.interpreter) and place.output is not None and place.pictures is not None:
        save_pictures(session.interpreter, place.output(), place.pictures)
