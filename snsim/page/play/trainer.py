"""Train one description at full speed: read a request from standard input, write a run folder, tell each event.

The request is that of `worker`. The replies are JSON objects, one a line: `{"run": FOLDER, "data": NAME}` once the run
has begun, `{"faults": [...]}` if it cannot, `{"done": true}` at its end. The passes are read from the run folder.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

from snsim.errors import SnError, Source, fail
from snsim.operating_system import interrupt_main_thread
from snsim.page.play.processes import faults_as_json
from snsim.program import read_program
from snsim.runs.options import Options
from snsim.runs.run import RunStarted, run


def main() -> None:
    """Train until the end, or until standard input is closed: then the run can be resumed."""
    request = json.loads(sys.stdin.readline())
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # a library that prints must not print into the replies
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    try:
        source = Source(str(request["name"]), str(request["text"]), is_file=True)
        program = read_program(source, port=sys.stderr)
        name = request.get("training")
        chosen = program.chosen_trainings(() if name is None else (str(name),))
        if not chosen:
            raise fail("this text declares no training", hint="(train NAME (data ...) ...) declares one")
        training = chosen[0]
        options = Options(data=tuple(request.get("data") or ()), out=Path(request["out"]))
        seed = request.get("seed")
        for event in run(program, training, training.seeds[0] if seed is None else int(seed), options):
            if isinstance(event, RunStarted):
                print(json.dumps({"run": str(event.run), "data": event.data}), file=replies, flush=True)
    except SnError as error:
        print(json.dumps({"faults": faults_as_json(error.faults)}), file=replies, flush=True)
    except KeyboardInterrupt:
        pass
    print(json.dumps({"done": True}), file=replies, flush=True)


def _end_with_the_server() -> None:
    """Wait until the server closes the input, or has ended itself, then interrupt the training."""
    sys.stdin.read()
    interrupt_main_thread()


if __name__ == "__main__":
    main()
