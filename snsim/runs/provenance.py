"""Find the versions, the processor and the time, which a run records and compares when it resumes."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from snsim import __version__
from snsim.operating_system import processor_name


def machine() -> dict[str, str | int | None]:
    """Return the name of the processor and the number of cores."""
    return {"processor": processor_name(), "cores": os.cpu_count()}


def versions(engine: str) -> dict[str, str]:
    """Return the versions of Python, snsim and the packages that the engine computes with, by name."""
    names = [
        "snsim",
        "numpy",
        *{"torch": ["torch"], "native": ["llvmlite"], "wasm": ["llvmlite", "wasmtime"]}.get(engine, []),
    ]
    return {"python": platform.python_version(), **{name: _version(name) for name in names}}


def differences(recorded: Mapping[str, str], current: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each version that has changed: the last bits of a resumed run may differ."""
    for name, version in current.items():
        if recorded.get(name) != version:
            yield (
                f"this run was started with {name} {recorded.get(name, 'of an unknown version')}, and {version} is in "
                "use now: the last bits may differ"
            )


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _version(package: str) -> str:
    if package == "snsim":
        return __version__
    stated = getattr(sys.modules.get(package), "__version__", None)
    if isinstance(stated, str):
        return stated
    from importlib import metadata  # which loads the parser of e-mail

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "of a source tree"
