"""Words that address the operating system or the user (docs/reference/sn28.md, section 1.4).

They are refused, or confined to the run folder.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from snsim.errors import Fault
from snsim.language.builtins.arithmetic import number
from snsim.language.builtins.strings import text
from snsim.language.forms import NIL, Form
from snsim.language.procedures import ABSENT, TRUE, CallError
from snsim.sn28.runtime.file_lookup import ProgramFiles
from snsim.sn28.runtime.host import host_of
from snsim.sn28.runtime.vocabulary import word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


@word("sys")
def sys(interpreter: Interpreter, command: Form) -> Form:
    """(sys "command"): refused: a program may not run system commands"""
    raise CallError(
        f"sys: did not run {interpreter.describe(command)}: a program may not run system commands",
        0,
        "remove the call, and run the command yourself if you need it",
    )


@word("unlink")
def unlink(interpreter: Interpreter, name: Form) -> Form:
    """(unlink "file"): removes a file that this program wrote"""
    files = interpreter.part(ProgramFiles)
    path = files.written_path(text("unlink", name))
    if path is None:
        raise CallError(
            f"unlink: {interpreter.describe(name)} is no file that this program wrote",
            0,
            "test it first: (when (filep name) (unlink name))",
        )
    try:
        path.unlink()
        files.refresh_size(path)
    except OSError as error:
        raise CallError(
            f"cannot remove {path}: {error.strerror or error}",
            0,
            "write the name of a file that this program wrote, not of a folder",
        ) from None
    return TRUE


@word("lush-is-quiet")
def lush_is_quiet(interpreter: Interpreter, quiet: Form = TRUE) -> Form:
    """(lush-is-quiet [t]): returns t; snsim never mixes its own messages into a program's output"""
    return TRUE


@word("basename", makes=True)
def basename(interpreter: Interpreter, path: Form, suffix: Form = "") -> str:
    """(basename "path" [".suffix"]): the last part of a path, without the suffix"""
    return PurePosixPath(text("basename", path)).name.removesuffix(text("basename", suffix, 1))


@word("dirname", makes=True)
def dirname(interpreter: Interpreter, path: Form) -> str:
    """(dirname "path"): a path without its last part; "." for a path of one part"""
    return str(PurePosixPath(text("dirname", path)).parent)


@word("concat-fname", makes=True)
def concat_fname(interpreter: Interpreter, folder: Form, name: Form = ABSENT) -> str:
    """(concat-fname "folder" ["name"]): the path of a file in a folder"""
    path = text("concat-fname", folder)
    return path if name is ABSENT else str(PurePosixPath(path) / text("concat-fname", name, 1))


@word("filep")
def filep(interpreter: Interpreter, name: Form) -> Form:
    """(filep "file"): t if this program can read such a file, else ()"""
    return TRUE if interpreter.part(ProgramFiles).find(text("filep", name)) is not None else NIL


@word("sleep")
def sleep(interpreter: Interpreter, seconds: Form) -> Form:
    """(sleep seconds): does nothing; in SN it left time to look at a picture"""
    number("sleep", seconds)
    return NIL


@word("process-pending-events")
def process_pending_events(interpreter: Interpreter) -> Form:
    """(process-pending-events): does nothing; in SN it let the user move windows"""
    return NIL


@word("ask")
def ask(interpreter: Interpreter, question: Form) -> Form:
    """(ask "question"): t for yes, () for no; without a terminal it warns and returns t"""
    prompt = text("ask", question)
    ask_user = interpreter.part(host_of).ask
    if ask_user is not None:
        return TRUE if ask_user(prompt) else NIL
    interpreter.warnings.append(
        Fault(
            f'"{prompt}" was answered with yes: there is no terminal',
            interpreter.place(),
            hint="remove the question, or run the program at the prompt: snsim repl",
            severity="warning",
        )
    )
    return TRUE


def _add_refused_panels() -> None:
    """Add the words that opened SN-2.8's control panels: each is refused, and the error says which words replace it."""
    panels = {
        "nettool": "the net editor; describe a net with (net ...), or with build-net and connect",
        "bptool": "the training panel; use the words it called: run, trun, learn, perf and their settings",
        "stattool": "the statistics panel; use perf and the codebook words",
        "normtool": "the panel that normalised patterns; use the matrix words",
    }
    for name, meaning in panels.items():

        def refuse(interpreter: Interpreter, *arguments: Form, name: str = name, meaning: str = meaning) -> Form:
            raise CallError(f"{name} opens a control panel, which snsim does not have", None, f"it was {meaning}")

        refuse.__doc__ = f"({name}): refused; it was {meaning}"
        word(name)(refuse)


_add_refused_panels()
