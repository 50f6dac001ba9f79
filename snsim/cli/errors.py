"""Report faults on the command line, and prepare the streams that it prints to."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence

import click

from snsim.colour import echo, flush, painted_fault, write
from snsim.errors import MOST_FAULTS, Fault, first_faults
from snsim.escaping import for_json, for_shell
from snsim.input_files import shown
from snsim.todays_words import name_for


def report(faults: Sequence[Fault], as_json: bool = False) -> None:
    """Print faults on standard error, or as events on standard output, one JSON object per line.

    If there are very many, only the first are printed, then how many more there are (as JSON: an event with `count`).
    """
    first = first_faults(faults)
    if len(first) > MOST_FAULTS and as_json:
        rest = {"event": "more", **first.pop().as_json(), "count": len(faults) - MOST_FAULTS}
        report(first, True)
        echo(for_json(rest))
        return
    for fault in first:
        if as_json:
            echo(for_json({"event": fault.severity, **fault.as_json()}))
        else:
            echo(painted_fault(fault, sys.stderr), err=True)


class WrongUseError(click.UsageError):
    """Raised for a wrong call of a command. It has a sentence, and what to type instead."""

    def __init__(self, message: str, hint: str, context: click.Context | None = None):
        super().__init__(message, context)
        self.hint = hint


def help_hint(error: click.ClickException) -> str:
    """Return the hint for a call that click refuses: that of the error, or the command that prints the help."""
    if isinstance(error, WrongUseError):
        return error.hint
    context = getattr(error, "ctx", None)
    if isinstance(error, click.NoSuchOption) and context is not None:
        options = {text.lstrip("-") for option in context.command.params for text in option.opts}
        if (name := name_for(error.option_name, options)) is not None:
            if error.possibilities:
                error.possibilities.clear()  # click's own guess would contradict
            return f"did you mean --{name}?"
    command = context.command_path if context is not None and context.parent is not None else "snsim"
    return f"`{command} --help` lists its arguments and options"


def report_own_fault(as_json: bool) -> None:
    """Print the traceback of an error in snsim itself, and ask the user to report it."""
    import traceback

    text = traceback.format_exc()
    if as_json:
        echo(for_json({"event": "error", "severity": "internal", "message": text.strip().split("\n")[-1]}))
    echo(
        f"{text}\nThis is a bug in snsim, not in your program. Please report it with the lines above and "
        f"the command:\n  snsim {for_shell(sys.argv[1:])}",
        err=True,
    )


def prepare_streams() -> None:
    """Make standard output and error take any text.

    A closed stream is replaced by one to nowhere. A character that the encoding of a stream lacks is written as its
    number.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  (it stays open)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def leave_stdout() -> None:
    """Drop what is still buffered for standard output, so that Python raises no error when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def is_output_broken(error: OSError) -> bool:
    """Return whether an error came from printing: a function that prints raised it, or a stream cannot be flushed."""
    trace = error.__traceback__
    while trace is not None:  # a stream without a buffer (python -u) has nothing to flush
        if trace.tb_frame.f_code in (click.echo.__code__, write.__code__, flush.__code__):
            return True
        trace = trace.tb_next
    try:
        sys.stdout.flush()
        sys.stderr.flush()
        return False
    except (OSError, ValueError):
        return True


_REMEDIES = {
    errno.ENOSPC: "free space on the disk, then run the command again",
    errno.EDQUOT: "free space within your quota, then run the command again",
    errno.EFBIG: "the limit of file sizes is too low: ulimit -f unlimited",
    errno.EMFILE: "the limit of open files is too low: ulimit -n 1024",
    errno.ENFILE: "close other programs: the system has too many open files",
    errno.EACCES: "choose a file or folder that you may read and write, or change its permissions with chmod",
    errno.EPERM: "choose a file or folder that you may read and write, or change its permissions with chmod",
    errno.EROFS: "choose a folder on a disk that can be written to",
    errno.ENAMETOOLONG: "give a shorter name: file systems take 255 bytes",
    errno.ELOOP: "the name is a link to itself: remove it with rm",
    errno.ENOENT: "check the name, or make the folder that it is in with mkdir",
    errno.ENOMEM: "close other programs, or use a smaller net",
}


def system_fault(error: OSError) -> Fault:
    """Return the fault for an error of the operating system: the file, if it is named, and the reason."""
    reason = error.strerror or str(error) or type(error).__name__
    names = [shown(str(name)) for name in (error.filename, error.filename2) if name is not None]
    hint = _REMEDIES.get(
        error.errno or 0,
        "check that the file can be used: ls -l"
        if names
        else "check the disk and the limits of the system: df, ulimit -a",
    )
    return Fault(f"{' and '.join(names)}: {reason}" if names else f"the operating system reports: {reason}", hint=hint)
