"""Gather every public name of snsim, and keep the list of them in public_names.json.

    python tests/public_names.py        writes the list again; add a line to CHANGELOG.md

docs/project/stability.md states what is public. `tests/test_public_names.py` compares the list with the program.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

import snsim
from snsim import plugins
from snsim.cli.exit_codes import FAULT, INTERRUPTED, OWN_FAULT, USAGE
from snsim.cli.main import COMMANDS, cli
from snsim.glossary.clauses import ClauseHelp
from snsim.glossary.names import kinds

LIST = Path(__file__).with_name("public_names.json")
ROOT = Path(__file__).resolve().parents[1]

JSON_COMMANDS = (  # one after the other, in one folder
    ("run", "run", "lecun89", "--data", "digits", "--passes", "1", "--json"),
    ("list run", "list", "run", "--json"),
    ("list net", "list", "net", "--json"),
    ("predict", "predict", "runs/lecun89", str(ROOT / "examples" / "seven.png"), "--json"),
    ("test", "test", "runs/lecun89", "--misses", "--json"),
    ("reject", "reject", "runs/lecun89", "--json"),
    ("error", "run", "lecun89", "--data", "nowhere.csv", "--json"),
)


def commands() -> dict[str, list[str]]:
    """Return the arguments and options of each command."""
    context = click.Context(cli, info_name="snsim")
    found: dict[str, list[str]] = {}

    def gather(command: click.Command, name: str, parent: click.Context) -> None:
        inner = click.Context(command, info_name=name, parent=parent)
        found[inner.command_path] = sorted(
            word
            for parameter in command.params
            for word in (
                [*parameter.opts, *parameter.secondary_opts]
                if isinstance(parameter, click.Option)
                else [parameter.make_metavar(inner)]
            )
        )
        if isinstance(command, click.Group):
            for one in command.list_commands(inner):
                if (sub := command.get_command(inner, one)) is not None:
                    gather(sub, one, inner)

    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        gather(command, name, context)
    return found


def language() -> dict[str, list[str]]:
    """Return the names of each kind; clauses with the form that they belong to."""
    return {
        kind.name: sorted(
            f"{entry.value.inside}: {entry.name}" if isinstance(entry.value, ClauseHelp) else entry.name
            for entry in kind.entries()
        )
        for kind in kinds()
    }


def python_names() -> dict[str, dict[str, list[str] | None]]:
    """Return the names of the public modules, with the parameters of those that can be called."""
    return {
        module.__name__: {name: _parameters(getattr(module, name)) for name in sorted(module.__all__)}
        for module in (snsim, plugins)
    }


def _parameters(value: Any) -> list[str] | None:
    if not callable(value) or type(value).__module__ == "typing" or getattr(value, "_is_protocol", False):
        return None
    try:
        return list(inspect.signature(value).parameters)
    except (TypeError, ValueError):
        return None


def json_keys() -> dict[str, list[str]]:
    """Return the keys of what each command prints with --json, by event, and those of the files of a run."""
    found: dict[str, set[str]] = {}
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as folder:
        for name, *arguments in JSON_COMMANDS:
            done = subprocess.run(
                [sys.executable, "-m", "snsim", *arguments], cwd=folder, env=environment, capture_output=True, text=True
            )
            for line in done.stdout.splitlines():
                entry = json.loads(line)
                event = f"{name}, {entry['event']}" if "event" in entry else name
                found.setdefault(event, set()).update(_keys(entry))
        run = Path(folder) / "runs" / "lecun89"
        found["run.json"] = _keys(json.loads((run / "run.json").read_text(encoding="utf-8")))
        line = (run / "passes.jsonl").read_text(encoding="utf-8").splitlines()[0]
        found["passes.jsonl"] = _keys(json.loads(line))
        found["files of a run"] = {path.name for path in run.iterdir()}
    return {name: sorted(keys) for name, keys in sorted(found.items())}


def _keys(entry: dict[str, Any]) -> set[str]:
    """Return the keys, with one level of those inside."""
    inner = {
        f"{key}.{name}" for key, value in entry.items() if isinstance(value, dict) and key in _FIXED for name in value
    }
    return set(entry) | inner


_FIXED = {"train", "test", "counts", "source"}  # objects whose keys are names of snsim, not of a user


def public_names() -> dict[str, Any]:
    return {
        "commands": commands(),
        "exit codes": {"fault": FAULT, "usage": USAGE, "bug": OWN_FAULT, "interrupted": INTERRUPTED},
        "json": json_keys(),
        "language": language(),
        "python": python_names(),
    }


if __name__ == "__main__":
    LIST.write_text(json.dumps(public_names(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{LIST.name} is written. Add a line to CHANGELOG.md.")
