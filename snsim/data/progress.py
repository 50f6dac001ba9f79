"""Show a download while it runs. The caller chooses the port."""

from __future__ import annotations

from typing import Protocol, TextIO

from snsim.escaping import for_line

_WIDTH = 30


class Progress(Protocol):
    """The calls that a download makes: `start` once, `advance` any number of times, `stop` once, also if it fails."""

    def start(self, name: str) -> None: ...

    def advance(self, received: int, total: int) -> None:
        """`received` bytes so far of `total` (0: the server did not say)."""

    def stop(self) -> None: ...


class NoProgress:
    """Shows nothing."""

    def start(self, name: str) -> None:
        pass

    def advance(self, received: int, total: int) -> None:
        pass

    def stop(self) -> None:
        pass


class ProgressBar:
    """One line on a terminal, redrawn at every percent and removed at the end."""

    def __init__(self, port: TextIO):
        self._port = port
        self._name = ""
        self._drawn = ""

    def start(self, name: str) -> None:
        self._name, self._drawn = name, ""

    def advance(self, received: int, total: int) -> None:
        done = min(1.0, received / total) if total else 0.0
        bar = "#" * int(done * _WIDTH)
        share = f"[{bar:<{_WIDTH}}] {done:4.0%}" if total else ""
        line = f"{for_line(self._name)} {share} {received / 1e6:.1f} MB"
        if line != self._drawn:
            self._port.write("\r" + line.ljust(len(self._drawn)))
            self._port.flush()
            self._drawn = line

    def stop(self) -> None:
        if self._drawn:
            self._port.write("\r" + " " * len(self._drawn) + "\r")
            self._port.flush()
            self._drawn = ""
