"""Compile one text: read a request from standard input, write the reply to standard output, and end.

A request is a JSON object with the `name` and `text` of a description, or the path of a `run`; and what the user chose:
`training`, `data`, `seed`, `seconds` of CPU for its Lisp. The reply has

- `faults`: errors and warnings, each with `severity`, `message`, `hint`, `line` and `column` where the place is in this
  text, and `text`, the fault as a terminal shows it
- `printed`: what the text printed; `notes`: what was said while its data were read
- `title` and `page`: the page of the net; null after an error
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snsim.errors import Fault, SnError, Source, fail, first_faults, render, shorten
from snsim.language.limits import DEFAULT, override_limits
from snsim.memory_limit import default_limit
from snsim.operating_system import limit_memory
from snsim.page.subject import PageSubject, subject_of_program, subject_of_run
from snsim.page.writing import FASTEST, page_of
from snsim.program import Program, read_program
from snsim.runs.opened_run import OpenedRun
from snsim.runs.options import Options

_SECONDS = 10.0  # of CPU that the Lisp of a text may use by default
_MOST_PRINTED = 20_000  # characters


def main() -> None:
    """Read a request from standard input, and write the reply, with any faults, to standard output as JSON."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not print into the reply
    memory = default_limit()
    if memory is not None:
        limit_memory(memory)
    request = json.loads(sys.stdin.buffer.read())
    replies.write(json.dumps(compile_request(request)).encode())
    replies.flush()


def compile_request(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reply to a request: the faults of the text, and the page of its net if there is none."""
    port = io.StringIO()
    source = Source(str(request.get("name", "")), str(request.get("text", "")), is_file=True)
    faults: list[Fault] = []
    options = Options(data=tuple(request.get("data") or ()), online=False)
    notes: list[str] = []
    title, page = "", None
    try:
        if request.get("run"):
            run = OpenedRun.open(Path(request["run"]), options)
            title, page = run.title, page_of(subject_of_run(run, options, notes.append), FASTEST)
        else:
            program = read_program(
                source, port=port, limits=override_limits(DEFAULT, seconds=float(request.get("seconds") or _SECONDS))
            )
            faults += program.warnings
            subject = _subject(program, request, options, notes)
            title, page = subject.training.name, page_of(subject, FASTEST)
    except SnError as error:
        faults += error.faults
    except MemoryError:
        faults += fail("this text needs too much memory", hint="make the net or the data smaller").faults
    return {
        "faults": [_as_json(fault, source) for fault in first_faults(faults)],
        "printed": shorten(port.getvalue(), _MOST_PRINTED),
        "notes": notes,
        "title": title,
        "page": page,
    }


def _as_json(fault: Fault, source: Source) -> dict[str, object]:
    values = {**fault.as_json(), "text": render(fault).replace(source.name, Path(source.name).name)}
    if fault.span is not None and fault.span.source is not source:
        values = {key: value for key, value in values.items() if key not in ("line", "column")}
    return values


def _subject(program: Program, request: Mapping[str, Any], options: Options, notes: list[str]) -> PageSubject:
    """Return the training that was asked for, or else the first one."""
    only = request.get("training")
    if only is None and program.own_trainings:
        only = program.own_trainings[0].name
    return subject_of_program(program, only, options, notes.append, request.get("seed"))


if __name__ == "__main__":
    main()
