"""One file from one public address, within bounded time and size. Every failure is a `Refused` with a reason.

The bytes go where the caller says; what they are worth is for the caller to check.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import urlsplit

from snsim.data.progress import Progress

T = TypeVar("T")
_CHUNK = 1 << 15  # bytes handed on at a time


class Refused(Exception):
    """An address did not give the file. The text is the reason; `absent`: the host itself was not reached."""

    def __init__(self, reason: str, absent: bool = False):
        super().__init__(reason)
        self.absent = absent


@dataclass(frozen=True)
class Patience:
    """Seconds: to reach a host, between two pieces of its answer, for the whole file."""

    connect: float = 3.0
    read: float = 30.0
    whole: float = 600.0


def host_of(address: str) -> str:
    return urlsplit(address).netloc


def download(address: str, into: Path, most: int, patience: Patience, progress: Progress) -> None:
    """Write what `address` answers to the file `into`; Refused if it does not, or if it is more than `most` bytes."""
    _find_host(address, patience.connect)
    progress.start(into.name.split("~")[0])
    try:
        with open(into, "wb") as port:
            intake = _Intake(port, most, progress)
            try:
                _within(patience.whole, lambda: _get(address, intake, patience))
            except TimeoutError:
                raise Refused(f"it was not complete after {patience.whole:g} seconds") from None
            finally:
                intake.closed = True
    finally:
        progress.stop()


class _Intake:
    """What pooch writes to, and what it shows its progress on: counts, and refuses more than was agreed."""

    def __init__(self, port: BinaryIO, most: int, progress: Progress):
        self._port = port
        self._most = most
        self._progress = progress
        self.received = 0
        self.total = 0  # set by pooch from the answer's header
        self.closed = False

    def write(self, piece: bytes) -> None:
        if self.closed:
            raise Refused("the download was given up")
        self.received += len(piece)
        if self.received > self._most:
            raise Refused(f"it sends more than the {self._most} bytes that the file can have")
        self._port.write(piece)
        self._progress.advance(self.received, self.total)

    def flush(self) -> None:
        pass

    def update(self, size: int) -> None:
        pass

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass


def _get(address: str, intake: _Intake, patience: Patience) -> None:
    import requests
    from pooch import HTTPDownloader

    answers: list[requests.Response] = []

    def keep(answer: requests.Response, *_: object, **options: object) -> None:
        answers.append(answer)

    get = HTTPDownloader(
        progressbar=intake,
        chunk_size=_CHUNK,
        timeout=(patience.connect, patience.read),
        hooks={"response": keep},
    )
    try:
        get(address, intake, None)
    except requests.HTTPError as error:
        answer = "an error" if error.response is None else f"{error.response.status_code} {error.response.reason}"
        raise Refused(f"it answers {answer}") from error
    except requests.exceptions.SSLError as error:
        raise Refused("its certificate was not accepted") from error
    except requests.ConnectTimeout as error:
        raise Refused(f"no connection within {patience.connect:g} seconds", absent=True) from error
    except requests.ConnectionError as error:
        raise _connection_refusal(error, patience) from error
    except requests.Timeout as error:
        raise Refused(f"it sent nothing for {patience.read:g} seconds") from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise Refused("the answer broke off before its end") from error
    except requests.RequestException as error:
        raise Refused(f"the request failed ({type(error).__name__})") from error
    finally:
        for response in answers:
            response.close()  # pooch leaves the connection open where an answer was refused half way


def _connection_refusal(error: Exception, patience: Patience) -> Refused:
    """requests has one class for "no such host", "nobody listens" and "fell silent"; what it wraps tells them apart."""
    from urllib3.exceptions import MaxRetryError, ReadTimeoutError

    cause = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        return Refused("no connection", absent=True)
    if isinstance(cause, ReadTimeoutError):
        return Refused(f"it sent nothing for {patience.read:g} seconds")
    return Refused("the connection broke off")


def _find_host(address: str, seconds: float) -> None:
    """Refuse an address whose host has no number within `seconds`; the resolver's own patience may be far longer."""
    import urllib.request  # with all of HTTP behind it: not for a program that downloads nothing

    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(host):
        return  # the proxy looks the name up
    try:
        _within(seconds, lambda: socket.getaddrinfo(host, parts.port or parts.scheme))
    except TimeoutError:
        raise Refused(f"the name {host} was not resolved within {seconds:g} seconds", absent=True) from None
    except OSError:
        raise Refused(f"the name {host} is not known here", absent=True) from None


def _within(seconds: float, action: Callable[[], T]) -> T:
    """The value of `action`, or TimeoutError; an action that overstays is left to end by itself."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(action())
        except BaseException as error:  # carried to the caller's thread
            failure.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    end = time.monotonic() + seconds
    while thread.is_alive() and time.monotonic() < end:
        thread.join(min(0.2, max(0.0, end - time.monotonic())))  # short waits, so that Ctrl-C is heard at once
    if failure:
        raise failure[0]
    if not outcome:
        raise TimeoutError
    return outcome[0]
