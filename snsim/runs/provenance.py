"""With what a run is made: versions, processor, the time of day. Recorded with it, and compared when it goes on."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib import metadata

from snsim.operating_system import processor_name


def machine() -> dict[str, str | int | None]:
    """The processor, by the name that Linux gives it, and the number of cores."""
    return {"processor": processor_name(), "cores": os.cpu_count()}


def versions(engine: str) -> dict[str, str]:
    """By name the versions of Python, snsim and what it computes with on this engine."""
    names = ["snsim", "numpy", *{"torch": ["torch"], "native": ["llvmlite"]}.get(engine, [])]
    return {"python": platform.python_version(), **{name: _version(name) for name in names}}


def differences(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Why a resumed run may differ in its last bits from one that was not stopped."""
    for name, version in now.items():
        if then.get(name) != version:
            yield (
                f"this run was begun with {name} {then.get(name, 'of an unknown version')}, now it is {version}: "
                "the last bits may differ"
            )


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "of a source tree"
