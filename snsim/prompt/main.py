"""Run `snsim repl`: a session on a terminal, or one that reads its forms from a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from snsim import __version__
from snsim.colour import BOLD, is_terminal, paint
from snsim.prompt.session import close

if TYPE_CHECKING:
    from snsim.prompt.session import Session
    from snsim.runs.options import Options

_BANNER = "(help) explains the prompt; Ctrl-D leaves"


def start(file: str | None, options: Callable[[], Options], windows: bool) -> int:
    """Read and evaluate forms until the input ends. Return the exit code.

    `file` is evaluated first. `options` is called when the first form is evaluated, so that the prompt appears at once.
    `windows`: whether words of SN open windows on the screen.
    """
    if is_terminal(sys.stdin) and is_terminal(sys.stdout):
        from snsim.prompt import terminal

        banner = f"{paint(f'snsim {__version__}', BOLD, stream=sys.stdout)}   {_BANNER}"
        return terminal.run(
            lambda: _session(options(), windows), banner, None if file is None else lambda s: _load(s, file)
        )
    from snsim.language.source_files import read_input
    from snsim.prompt.responses import run_script

    session = _session(options(), windows)
    good = file is None or _load(session, file)
    try:
        return max(run_script(session, read_input().text), 0 if good else 1)
    finally:
        close(session)


def _session(options: Options, windows: bool) -> Session:
    from snsim.errors import Source
    from snsim.program import Host
    from snsim.prompt.install import open_session
    from snsim.runs.program_folder import ProgramFolder

    folder = ProgramFolder(Source("<prompt>", ""), options, None)
    asks = is_terminal(sys.stdin)
    host = Host(None, options.data_dir, folder.make, _ask if asks else None, windows=windows, pictures="svg")
    return open_session(sys.stdout, options, host)


def _ask(question: str) -> bool:
    return not input(f"{question} [Y/n] ").strip().lower().startswith("n")


def _load(session: Session, file: str) -> bool:
    from snsim.errors import Source
    from snsim.language.printer import show
    from snsim.prompt.responses import answer

    return answer(session, Source("<prompt>", f"(load {show(file)})"), sys.stderr)
