"""How the command line reports a fault, and the streams that it prints to."""

from __future__ import annotations

import io
import os
import shlex
import sys
from typing import Sequence

import click

from snsim.colour import painted_fault
from snsim.errors import Fault


def report(faults: Sequence[Fault], as_json: bool = False) -> None:
    """Faults on standard error, or, as events, one JSON object a line on standard output."""
    for fault in faults:
        if as_json:
            import json

            click.echo(json.dumps({"event": fault.severity, **fault.as_json()}))
        else:
            click.echo(painted_fault(fault, sys.stderr), err=True)


def help_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path} --help" if context is not None and context.parent is not None else "snsim --help"


def report_own_fault(as_json: bool) -> None:
    import traceback

    text = traceback.format_exc()
    if as_json:
        import json

        click.echo(json.dumps({"event": "error", "severity": "internal", "message": text.strip().split("\n")[-1]}))
    click.echo(f"{text}\nThis is a fault of snsim, not of your program. Please report it with the lines above and "
               f"the command:\n  snsim {shlex.join(sys.argv[1:])}", err=True)


def prepare_streams() -> None:
    """Streams that take whatever is printed: closed ones lead nowhere, and a character that the encoding of one lacks
    is written as its number."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def leave_stdout() -> None:
    """Send what is still buffered nowhere, so that the interpreter does not complain on its way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
