"""Download one file from one address, within bounded time and size. Every failure is a `DownloadError`.

The caller checks the content.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

from snsim.data.progress import Progress
from snsim.data_classes import dataclass

T = TypeVar("T")
_CHUNK = 1 << 15  # bytes handed on at a time


class DownloadError(Exception):
    """A download failed. The text is the reason; `absent`: the host itself was not reached."""

    def __init__(self, reason: str, absent: bool = False):
        super().__init__(reason)
        self.absent = absent


@dataclass(frozen=True)
class Timeouts:
    """Seconds: to reach a host, between two pieces of its answer, for the whole file."""

    connect: float = 3.0
    read: float = 30.0
    whole: float = 600.0


def host_of(address: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(address).netloc


def download(address: str, into: Path, most: int, timeouts: Timeouts, progress: Progress) -> None:
    """Write the file at `address` to the file `into`. DownloadError if that fails, or for more than `most` bytes."""
    _find_host(address, timeouts.connect)
    progress.start(into.name.split("~")[0])
    try:
        with open(into, "wb") as port:
            output = _LimitedWriter(port, most, progress)
            try:
                _within(timeouts.whole, lambda: _get(address, output, timeouts))
            except TimeoutError:
                raise DownloadError(f"it was not complete after {timeouts.whole:g} seconds") from None
            finally:
                output.closed = True
    finally:
        progress.stop()


class _LimitedWriter:
    """The file and the progress bar that pooch writes to. Counts the bytes and refuses more than `most`."""

    def __init__(self, port: BinaryIO, most: int, progress: Progress):
        self._port = port
        self._most = most
        self._progress = progress
        self.received = 0
        self.total = 0  # set by pooch from the answer's header
        self.closed = False

    def write(self, piece: bytes) -> None:
        if self.closed:
            raise DownloadError("the download was stopped")
        self.received += len(piece)
        if self.received > self._most:
            raise DownloadError(f"it sends more than the {self._most} bytes of the file")
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


def _get(address: str, output: _LimitedWriter, timeouts: Timeouts) -> None:
    import requests
    from pooch import HTTPDownloader

    answers: list[requests.Response] = []

    def keep(answer: requests.Response, *_: object, **options: object) -> None:
        answers.append(answer)

    get = HTTPDownloader(
        progressbar=output,
        chunk_size=_CHUNK,
        timeout=(timeouts.connect, timeouts.read),
        hooks={"response": keep},
    )
    try:
        get(address, output, None)
    except requests.HTTPError as error:
        answer = "an error" if error.response is None else f"{error.response.status_code} {error.response.reason}"
        raise DownloadError(f"it answers {answer}") from error
    except requests.exceptions.SSLError as error:
        raise DownloadError("its certificate was not accepted") from error
    except requests.ConnectTimeout as error:
        raise DownloadError(f"no connection within {timeouts.connect:g} seconds", absent=True) from error
    except requests.ConnectionError as error:
        raise _connection_refusal(error, timeouts) from error
    except requests.Timeout as error:
        raise DownloadError(f"it sent nothing for {timeouts.read:g} seconds") from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise DownloadError("the connection broke before the end of the file") from error
    except requests.RequestException as error:
        raise DownloadError(f"the request failed ({type(error).__name__})") from error
    finally:
        for response in answers:
            response.close()  # pooch leaves the connection open where an answer was refused half way


def _connection_refusal(error: Exception, timeouts: Timeouts) -> DownloadError:
    """Return the error for a lost connection.

    requests has one class for an unknown host, a closed port and a silent host; the exception inside it shows which one
    it was.
    """
    from urllib3.exceptions import MaxRetryError, ReadTimeoutError

    cause = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        return DownloadError("no connection", absent=True)
    if isinstance(cause, ReadTimeoutError):
        return DownloadError(f"it sent nothing for {timeouts.read:g} seconds")
    return DownloadError("the connection broke")


def _find_host(address: str, seconds: float) -> None:
    """Look up the host of an address within `seconds`; the timeout of the resolver may be far longer."""
    import socket
    import urllib.request  # with all of HTTP behind it: not for a program that downloads nothing
    from urllib.parse import urlsplit

    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(host):
        return  # the proxy looks the name up
    try:
        _within(seconds, lambda: socket.getaddrinfo(host, parts.port or parts.scheme))
    except TimeoutError:
        raise DownloadError(f"no address for host {host} within {seconds:g} seconds", absent=True) from None
    except OSError:
        raise DownloadError(f"unknown host {host}", absent=True) from None


def _within(seconds: float, action: Callable[[], T]) -> T:
    """Return the value of `action`, or raise TimeoutError after `seconds`. The action then ends by itself."""
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
