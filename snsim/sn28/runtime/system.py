"""What SN-2.8 asked of the system and the user: refused, or done within the run folder.

See docs/reference/sn28.md, section 1.4.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from snsim.errors import Fault
from snsim.language.builtins.arithmetic import number
from snsim.language.builtins.strings import text
from snsim.language.forms import NIL, Form
from snsim.language.procedures import ABSENT, TRUE, CallError
from snsim.sn28.runtime.file_lookup import Files
from snsim.sn28.runtime.host import surroundings
from snsim.sn28.runtime.vocabulary import word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


@word("sys")
def sys(interpreter: Interpreter, command: Form) -> Form:
    """(sys "command"): refused: a program runs no commands of the system"""
    raise CallError(
        f"sys: the command {interpreter.describe(command)} is not run: a program has no way to the system",
        0,
        "take the call out; run the command yourself if it is needed",
    )


@word("unlink")
def unlink(interpreter: Interpreter, name: Form) -> Form:
    """(unlink "file"): removes a file that this program wrote; t, or () if there is none"""
    files = interpreter.part(Files)
    path = files.written(text("unlink", name))
    if path is None:
        return NIL
    try:
        path.unlink()
        files.count_again(path)
    except OSError as error:
        raise CallError(
            f"{path} cannot be removed: {error.strerror or error}",
            0,
            "name a file that this program wrote, not a folder",
        ) from None
    return TRUE


@word("lush-is-quiet")
def lush_is_quiet(interpreter: Interpreter, quiet: Form = TRUE) -> Form:
    """(lush-is-quiet [t]): t: snsim prints nothing of its own between what the program prints"""
    return TRUE


@word("basename", makes=True)
def basename(interpreter: Interpreter, path: Form, suffix: Form = "") -> str:
    """(basename "path" [".suffix"]): the last part of the name of a file, without the suffix"""
    return PurePosixPath(text("basename", path)).name.removesuffix(text("basename", suffix, 1))


@word("dirname", makes=True)
def dirname(interpreter: Interpreter, path: Form) -> str:
    """(dirname "path"): the name of a file without its last part; "." if it has one part only"""
    return str(PurePosixPath(text("dirname", path)).parent)


@word("concat-fname", makes=True)
def concat_fname(interpreter: Interpreter, folder: Form, name: Form = ABSENT) -> str:
    """(concat-fname "folder" ["name"]): the name of a file in a folder"""
    beginning = text("concat-fname", folder)
    return beginning if name is ABSENT else str(PurePosixPath(beginning) / text("concat-fname", name, 1))


@word("filep")
def filep(interpreter: Interpreter, name: Form) -> Form:
    """(filep "file"): t if there is such a file for this program, else ()"""
    return TRUE if interpreter.part(Files).find(text("filep", name)) is not None else NIL


@word("sleep")
def sleep(interpreter: Interpreter, seconds: Form) -> Form:
    """(sleep seconds): does not wait; it was there to let a picture be looked at"""
    number("sleep", seconds)
    return NIL


@word("process-pending-events")
def process_pending_events(interpreter: Interpreter) -> Form:
    """(process-pending-events): does nothing; it let windows be moved"""
    return NIL


@word("ask")
def ask(interpreter: Interpreter, question: Form) -> Form:
    """(ask "question"): t for yes, () for no; yes, said by a warning, where nobody can answer"""
    asked = text("ask", question)
    answer = interpreter.part(surroundings).ask
    if answer is not None:
        return TRUE if answer(asked) else NIL
    interpreter.warnings.append(
        Fault(
            f'"{asked}" is taken as answered by yes: there is no terminal',
            interpreter.place(),
            hint="take the question out, or call the program at the prompt: snsim repl",
            severity="warning",
        )
    )
    return TRUE


def _refuse_tools() -> None:
    """The panels of SN-2.8 lived in windows that were clicked on; what they did is said where they are called."""
    tools = {
        "nettool": "the editor of nets: a net is described by (net ...), or by build-net and connect",
        "bptool": "the training panel: the words it called are run, trun, learn, perf and their settings",
        "stattool": "the panel of statistics: perf and codebook words compute them",
        "normtool": "the panel that normalised patterns: matrix words compute that",
    }
    for name, meaning in tools.items():

        def refused(interpreter: Interpreter, *arguments: Form, name: str = name, meaning: str = meaning) -> Form:
            raise CallError(f"{name} is a panel of windows, which snsim has not", None, f"it was {meaning}")

        refused.__doc__ = f"({name}): refused; it was {meaning}"
        word(name)(refused)


_refuse_tools()
