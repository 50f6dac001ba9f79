"""Start the processes of the playground, and write the faults that they report.

They are snsim itself, never a Python file that lies in the current folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from snsim.errors import Fault, first_faults, render

_ABOVE = Path(__file__).resolve().parents[3]  # of the package


def start(module: str) -> subprocess.Popen[bytes]:
    """Start a module of snsim with pipes for its input and output.

    `-P` keeps the current folder out of Python's path: a `numpy.py` beside a description is not run. A signal of the
    terminal does not reach the process; the server ends it.
    """
    environment = dict(os.environ)
    if (_ABOVE / "pyproject.toml").is_file():  # a checkout, which need not be installed
        environment["PYTHONPATH"] = os.pathsep.join([str(_ABOVE), *filter(None, [environment.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )


def faults_as_json(faults: Iterable[Fault]) -> list[dict[str, object]]:
    """Return faults with their fields and, as `text`, what a terminal shows of each."""
    return [{**fault.as_json(), "text": render(fault)} for fault in first_faults(tuple(faults))]
