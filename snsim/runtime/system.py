"""Words that address the operating system or the user (docs/reference/sn28.md, section 1.4).

They are refused, or confined to the run folder.
"""

from __future__ import annotations

import os
import posixpath
import re
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from snsim.errors import Fault
from snsim.language.builtins.arithmetic import number
from snsim.language.builtins.strings import text
from snsim.language.forms import NIL, Form
from snsim.language.procedures import ABSENT, TRUE, CallError
from snsim.runtime.file_lookup import ProgramFiles
from snsim.runtime.host import host_of
from snsim.runtime.vocabulary import word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


@word("sys")
def sys(interpreter: Interpreter, command: Form) -> Form:
    """(sys "command"): is an error: a program may not run system commands"""
    raise CallError(
        f"sys: did not run {interpreter.describe(command)}: a program may not run system commands",
        0,
        "remove the call, and run the command yourself if you need it",
    )


@word("unlink")
def unlink(interpreter: Interpreter, name: Form) -> Form:
    """(unlink "file"): removes a file that this program wrote; returns t; another file is an error"""
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
    """(lush-is-quiet [t]): has no effect and returns t; snsim mixes no messages into a program's output"""
    return TRUE


@word("basename", makes=True)
def basename(interpreter: Interpreter, path: Form, suffix: Form = "") -> str:
    """(basename "path" [".suffix"]): the last part of a path, without the suffix if it ends with that"""
    return PurePosixPath(text("basename", path)).name.removesuffix(text("basename", suffix, 1))


@word("dirname", makes=True)
def dirname(interpreter: Interpreter, path: Form) -> str:
    """(dirname "path"): the path without its last part; "." for a path of one part"""
    return str(PurePosixPath(text("dirname", path)).parent)


@word("concat-fname", makes=True)
def concat_fname(interpreter: Interpreter, folder: Form, name: Form = ABSENT) -> str:
    """(concat-fname "folder" ["name"]): the path of a file in the folder; the folder itself without a name"""
    path = text("concat-fname", folder)
    return path if name is ABSENT else str(PurePosixPath(path) / text("concat-fname", name, 1))


@word("filep")
def filep(interpreter: Interpreter, name: Form) -> Form:
    """(filep "file"): t if there is such a file that this program may read, else ()"""
    return TRUE if interpreter.part(ProgramFiles).find(text("filep", name)) is not None else NIL


@word("dirp")
def dirp(interpreter: Interpreter, name: Form) -> Form:
    """(dirp "folder"): t if there is such a folder that this program may read, else ()"""
    return TRUE if interpreter.part(ProgramFiles).folders(text("dirp", name)) else NIL


@word("files")
def files(interpreter: Interpreter, folder: Form) -> Form:
    """(files "folder"): a list of the names in a folder that this program may read, with . and .., in order"""
    names: set[str] = {".", ".."}
    for path in interpreter.part(ProgramFiles).readable_folders(text("files", folder)):
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    names.add(os.fsencode(entry.name).decode("utf-8", "replace"))
                    interpreter.step()
        except OSError as error:
            raise CallError(
                f"cannot read {path}: {error.strerror or error}", 0, "write the name of another folder"
            ) from None
    return interpreter.new_list(sorted(names), "files")


@word("mkdir")
def mkdir(interpreter: Interpreter, name: Form) -> Form:
    """(mkdir "folder"): creates a folder in the run folder; returns ()"""
    interpreter.part(ProgramFiles).make_folder(text("mkdir", name))
    return NIL


@word("chdir", makes=True)
def chdir(interpreter: Interpreter, name: Form) -> str:
    """(chdir "folder"): makes the names of files relative to a folder that this program may read; returns its path"""
    return str(interpreter.part(ProgramFiles).change_folder(text("chdir", name)))


@word("relative-fname", makes=True)
def relative_fname(interpreter: Interpreter, folder: Form, name: Form) -> Form:
    """(relative-fname "folder" "path"): the part of the path below the folder; () if the path is not below it"""
    above = PurePosixPath(posixpath.normpath(text("relative-fname", folder)))
    path = PurePosixPath(posixpath.normpath(text("relative-fname", name, 1)))
    return str(path.relative_to(above)) if path.is_relative_to(above) else NIL


# Part of the name of a variable that may hold a password
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH|COOKIE|SESSION", re.IGNORECASE)


@word("getenv", makes=True)
def getenv(interpreter: Interpreter, name: Form) -> str:
    """(getenv "NAME"): returns an environment variable as text, "" if it is not set

    It refuses a name with KEY, TOKEN, SECRET, PASS, CREDENTIAL, AUTH, COOKIE or SESSION in it, in any case.
    """
    variable = text("getenv", name)
    if _SECRET.search(variable):
        raise CallError(
            f"getenv: the variable {interpreter.describe(variable)} may hold a password, which a program may not read",
            0,
            "write the value into the program, or give it with --set: (defvar x ...)",
        )
    try:
        content = os.fsencode(os.environ.get(variable, ""))
    except ValueError:  # no variable has such a name
        return ""
    return content.decode("utf-8", "replace")


@word("time")
def time_(interpreter: Interpreter) -> float:
    """(time): the time in seconds since the beginning of 1970, with a fraction"""
    return time.time()


@dataclass(frozen=True)
class Date:
    """A date and a time of day."""

    moment: datetime

    def __str__(self) -> str:
        return f"::DATE:{self.moment:%Y-%m-%d %H:%M:%S}"


@word("today")
def today(interpreter: Interpreter) -> Date:
    """(today): the date and the time of day, as a date object"""
    return Date(datetime.now())


@word("flush")
def flush(interpreter: Interpreter) -> Form:
    """(flush): writes out everything that was printed; returns ()"""
    interpreter.port.flush()
    return NIL


@word("beep")
def beep(interpreter: Interpreter) -> str:
    """(beep): rings the bell if the output is a terminal; returns "beep", a string"""
    if interpreter.port.isatty():
        interpreter.port.write("\a")
    return "beep"


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
    """(ask "question"): asks the user; returns t for yes, () for no; without a terminal it warns and returns t"""
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

        refuse.__doc__ = f"({name}): is an error: snsim has no control panels; it was {meaning}"
        word(name)(refuse)


_add_refused_panels()
