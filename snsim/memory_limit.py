"""Find the memory that a run may take, and read and write sizes of memory: `8GB`.

The default limit is half of the memory of this machine, or of its control group if that has less. Linux reports both,
and other POSIX systems report the memory of the machine. On Windows there is no default limit.
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


def default_limit(groups: Path = _GROUPS, own_groups: Path = _OWN_GROUPS) -> int | None:
    """Return half of the available memory in bytes, or None if the system does not tell it."""
    memory = available(groups, own_groups)
    return None if memory is None else memory // 2


def available(groups: Path = _GROUPS, own_groups: Path = _OWN_GROUPS) -> int | None:
    """Return the memory in bytes that this process may have, or None if the system does not tell it.

    It is the memory of the machine, or the least limit of the control groups of this process. `groups` and
    `own_groups` are where Linux lists the control groups, and those of this process.
    """
    sizes = [size for size in (machine_memory(), *_group_limits(groups, own_groups)) if size is not None]
    return min(sizes, default=None)


def _group_limits(groups: Path, own_groups: Path) -> list[int]:
    """Return the limits in bytes of the control groups of this process and of the groups that contain them.

    /proc/self/cgroup has a line `0::/a/b` for version 2 and `4:memory:/a/b` for version 1 (cgroups(7)). In a container
    the path may be that of the host. Then the group that is mounted at the top is the one of this process.
    """
    limits = []
    for line in _text(own_groups).splitlines():
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
                if size.isascii() and size.isdigit():  # "max" means no limit
                    limits.append(int(size))
    return limits


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def read_size(text: str) -> int:
    """Return the bytes of a size like `8GB`, `512MB` or `1.5 GiB`. ValueError with a message for any other text."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size of memory; write a number and a unit: 8GB, 512MB")
    size = int(float(match[1]) * _UNITS[match[2].upper()])
    if size < 1:
        raise ValueError(f"{text!r} is less than a byte; write a number and a unit: 8GB, 512MB")
    return size


def exact_size(size: int) -> str:
    """Return a number of bytes as `--memory` takes it, in the largest unit that divides it: `8GB`."""
    unit = next(name for name in ("TB", "GB", "MB", "KB", "B") if size % _UNITS[name] == 0)
    return f"{size // _UNITS[unit]}{unit}"


def size_text(size: float) -> str:
    """Return a number of bytes as text for a reader: `14.4 GB`, `512 MB`."""
    for unit in ("TB", "GB", "MB"):
        if size >= _UNITS[unit]:
            number = size / _UNITS[unit]
            return f"{number:,.0f} {unit}" if number >= 100 or unit == "MB" else f"{number:,.1f} {unit}"
    return f"{max(size, 0) / 1000:,.0f} KB"


def whole_gigabytes(size: int) -> str:
    """Return a size rounded up to whole gigabytes, as `--memory` takes it: `9GB`."""
    return f"{max(1, -(-size // _UNITS['GB']))}GB"
