"""How much memory a run may take, and sizes of memory as text: `8GB`.

The limit unless one is stated is half of the memory of this machine, or of its control group where that has less.
Linux tells both; macOS and other POSIX systems tell the machine's memory. Where a system tells neither (Windows),
there is no limit unless one is stated.
"""

from __future__ import annotations

import re
from pathlib import Path

from snsim.operating_system import machine_memory

_UNITS = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 1 << 10,
    "MIB": 1 << 20,
    "GIB": 1 << 30,
    "TIB": 1 << 40,
}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*([KMGT]?I?B)", re.IGNORECASE | re.ASCII)
_GROUPS, _OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def default_limit(groups: Path = _GROUPS, own: Path = _OWN_GROUPS) -> int | None:
    """Return half of the memory that there is, in bytes; None where the system does not tell it."""
    there = available(groups, own)
    return None if there is None else there // 2


def available(groups: Path = _GROUPS, own: Path = _OWN_GROUPS) -> int | None:
    """Return the memory of this machine in bytes, or the least limit of the control groups of this process if one is
    smaller; None where the system tells neither. The arguments are the places where Linux tells of control groups.
    """
    told = [size for size in (machine_memory(), *_group_limits(groups, own)) if size is not None]
    return min(told, default=None)


def _group_limits(groups: Path, own: Path) -> list[int]:
    """The limits of the control groups that this process is in, and of those around them.

    /proc/self/cgroup has a line `0::/a/b` for version 2 and `4:memory:/a/b` for version 1. Inside a container the path
    may be that of the host; the group that is mounted there is then the process's own.
    """
    found = []
    for line in _text(own).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            places = [(groups, "memory.max"), (groups / "unified", "memory.max")]
        elif "memory" in controllers.split(","):
            places = [(groups / "memory", "memory.limit_in_bytes")]
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", ".", "..")]
        for top, name in places:
            for depth in range(len(parts) + 1):
                size = _text(top.joinpath(*parts[:depth], name)).strip()
                if size.isascii() and size.isdigit():  # "max" is none
                    found.append(int(size))
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def read_size(text: str) -> int:
    """Return the bytes that a text like `8GB`, `512MB` or `1.5 GiB` means. ValueError with a sentence for any other."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no size of memory; write a number and a unit: 8GB, 512MB")
    size = int(float(match[1]) * _UNITS[match[2].upper()])
    if size < 1:
        raise ValueError(f"{text!r} is less than a byte; write a number and a unit: 8GB, 512MB")
    return size


def size_text(size: float) -> str:
    """Return a number of bytes for a reader: `14.4 GB`, `512 MB`."""
    for unit in ("TB", "GB", "MB"):
        if size >= _UNITS[unit]:
            number = size / _UNITS[unit]
            return f"{number:,.0f} {unit}" if number >= 100 or unit == "MB" else f"{number:,.1f} {unit}"
    return f"{max(size, 0) / 1000:,.0f} KB"


def whole_gigabytes(size: int) -> str:
    """Return a value of `--memory` for a need of `size` bytes: whole gigabytes, rounded up."""
    return f"{max(1, -(-size // _UNITS['GB']))}GB"
