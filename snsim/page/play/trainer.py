"""Train one description at full speed: read a request from standard input, write a run folder, tell each event.

The request is that of `worker`. The replies are JSON objects, one a line: `{"run": FOLDER, "data": NAME}` once the run
has begun, `{"faults": [...]}` if it cannot, `{"done": true}` at its end. The passes are read from the run folder.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from snsim.errors import SnError, Source, first_faults, render
from snsim.program import read_program
from snsim.runs.options import Options
from snsim.runs.run import RunStarted, run


def main() -> None:
    """Train until the end, or until SIGTERM: then the run can be resumed."""
    request = json.loads(sys.stdin.readline())
    replies, sys.stdout = sys.stdout, sys.stderr
    try:
        source = Source(str(request["name"]), str(request["text"]), is_file=True)
        program = read_program(source, port=sys.stderr)
        name = request.get("training")
        training = next(entry for entry in program.own_trainings if name in (None, entry.name))
        options = Options(data=tuple(request.get("data") or ()), out=Path(request["out"]))
        seed = request.get("seed")
        for event in run(program, training, training.seeds[0] if seed is None else int(seed), options):
            if isinstance(event, RunStarted):
                print(json.dumps({"run": str(event.run), "data": event.data}), file=replies, flush=True)
    except SnError as error:
        faults = [{**fault.as_json(), "text": render(fault)} for fault in first_faults(error.faults)]
        print(json.dumps({"faults": faults}), file=replies, flush=True)
    except KeyboardInterrupt:
        pass
    print(json.dumps({"done": True}), file=replies, flush=True)


if __name__ == "__main__":
    main()
