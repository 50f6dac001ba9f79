"""Serve the playground to one browser on this machine, and to nobody else.

The address holds a random token. A request without it, for another host, from a page of another origin or larger than
4 MB is refused before anything is read. A page of a net is shown in a frame without an origin: whatever a description
brings into it can reach neither this server nor the editor.
"""

from __future__ import annotations

import codecs
import contextlib
import hmac
import json
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from snsim.editor.coloured_names import KINDS, names_of
from snsim.errors import SnError, fail
from snsim.escaping import for_line
from snsim.gallery import gallery_doc, gallery_file, gallery_names
from snsim.glossary.gallery_list import gallery_entry, gallery_text
from snsim.input_files import is_file, read_file, unwritable
from snsim.language.limits import DEFAULT
from snsim.language.source_files import read_source
from snsim.page.play.compiler import Compiler
from snsim.page.play.processes import faults_as_json
from snsim.page.play.watching import Trainer, WatchedRun
from snsim.protected_files import write_output

HOST = "127.0.0.1"
_LARGEST = 4_000_000  # bytes of a request
_MOST_PAGES = 4  # that are kept for the browser to fetch
_STEP = 0.25  # seconds between two looks at a run folder
_SECONDS_TO_FOLLOW = 10.0  # that a finished run waits for its browser
_SECONDS_TO_BEGIN = 60.0  # a native training reads its data first
_HERE = Path(__file__).parent
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'; img-src 'self' "
    "data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Playground:
    """The state behind the page of `snsim play`: the text, the pages of its nets, and a training that runs.

    Attributes
    ----------
    name : str
        The path of the text: included files are looked for beside it.
    text : str
        The text that the editor begins with; "" if a run is shown.
    file : Path or None
        Where the text is saved. None for a net of the gallery: it is not overwritten.
    run : Path or None
        The run folder that is shown instead of an editor.
    chosen : mapping
        What every request gets besides: `training`, `data`, `seed`.
    """

    def __init__(
        self, name: str, text: str, file: Path | None, run: Path | None = None, chosen: Mapping[str, Any] | None = None
    ):
        self.name, self.text, self.file, self.run, self.chosen = name, text, file, run, dict(chosen or {})
        self.compiler = Compiler()
        self.trainer: Trainer | None = None
        self.watched = None if run is None else WatchedRun(run)
        self._pages: OrderedDict[str, str] = OrderedDict()
        self._saving, self._opening, self._training = threading.Lock(), threading.Lock(), threading.Lock()
        self._is_closed = False

    @property
    def about(self) -> list[str]:
        """Return lines about a net of the gallery; none for a user's own text."""
        name = Path(self.name).stem
        return list(gallery_text(gallery_entry(name))) if gallery_file(name) == Path(self.name) else []

    def compile(self, text: str, name: str, run: Path | None = None) -> dict[str, Any]:
        """Return the faults of a text and the address of its page, as `worker` describes them."""
        request = {**self.chosen, "name": name, "text": text, "run": None if run is None else str(run)}
        reply = self.compiler.compile(request)
        if reply is None:
            return {"replaced": True}
        page = reply.pop("page")
        if page is not None:
            key = secrets.token_urlsafe(9)
            self._pages[key] = page
            while len(self._pages) > _MOST_PAGES:
                self._pages.popitem(last=False)
            reply["page"] = f"page/{key}"
        return reply

    def page(self, key: str) -> str | None:
        """Return a page that was compiled; None if there is none, or if newer ones have taken its place."""
        return self._pages.get(key)

    def save(self, text: str) -> str:
        """Write the text to its file and return the file's name. SnError if it cannot be written.

        The file keeps its line ends, those of Windows too, and its byte order mark.
        """
        if self.file is None:
            raise fail("a net of the gallery is not overwritten", hint="begin a copy: snsim new mine --like NAME")
        text = text.replace("\r\n", "\n").replace("\r", "\n")  # as a file is read
        with self._saving:
            there = is_file(self.file)
            if there and read_source(self.file).text != self.text:
                raise fail(
                    f"{for_line(self.file.name)} has changed on the disk since it was read",
                    hint="copy your text, then load this page again",
                )
            before = read_file(self.file, DEFAULT.source_bytes) if there else b""
            try:
                write_output(self.file, _like_file(text, before))
            except UnicodeEncodeError:
                raise fail(
                    "the text contains an incomplete character (half of a surrogate pair)",
                    hint="delete the character that the page shows as a box",
                ) from None
            except OSError as problem:
                sentence, remedy = unwritable(self.file, problem)
                raise fail(sentence, hint=remedy) from None
            self.text = text
        return self.file.name

    def read_again(self) -> str:
        """Return the text of the file as it is now; the text from before if it cannot be read."""
        if self.file is not None:
            with self._saving, contextlib.suppress(SnError):
                self.text = read_source(self.file).text
        return self.text

    def open_run(self) -> dict[str, Any] | None:
        """Return the page of the run that is shown, as `compile` does; None if a text is shown."""
        if self.run is None:
            return None
        with self._opening:  # a second browser waits: a new request would end the one under way
            return self.compile("", self.name, self.run)

    def train(self, text: str, name: str) -> dict[str, Any]:
        """Start a native training of a text, and return its run folder, or the faults that it has."""
        with self._training:
            if self._is_closed:
                raise fail("no training can start: the server is ending", hint="start snsim play again")
            if self.trainer is not None:
                self.trainer.stop()
            trainer = self.trainer = Trainer({**self.chosen, "name": name, "text": text}, Path("runs"))
        folder = trainer.wait_for_folder(_SECONDS_TO_BEGIN)
        if folder is None:
            late = not trainer.has_ended and not trainer.faults
            trainer.stop()
            if not trainer.faults:
                raise fail(
                    f"the training has not begun after {_SECONDS_TO_BEGIN:g} seconds" if late else "it was stopped",
                    hint="run it on the command line: its data may have to be downloaded first",
                )
            return {"faults": trainer.faults}
        with self._training:
            if self.trainer is trainer:
                self.watched = WatchedRun(folder, trainer)
        return {"run": for_line(folder), "data": for_line(trainer.data)}

    def stop(self) -> None:
        """Stop the native training, if there is one."""
        trainer = self.trainer
        if trainer is not None:
            trainer.stop()

    def close(self) -> None:
        """End all processes."""
        with self._training:
            self._is_closed = True
        self.stop()
        self.compiler.close()


class PlayServer(ThreadingHTTPServer):
    """A server of one playground at `address`. Errors of single connections are not printed."""

    daemon_threads = True

    def __init__(self, playground: Playground, port: int = 0):
        super().__init__((HOST, port), _Handler)
        self.playground, self.token = playground, secrets.token_urlsafe(18)
        self._entrance = secrets.token_urlsafe(18)
        self._entering = threading.Lock()
        self.following = 0  # browsers that follow the run

    @property
    def address(self) -> str:
        """The address to open in a browser."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    @property
    def entrance(self) -> str:
        """An address that leads to `address` once. The command line of a browser, which others can read, shows it."""
        return f"http://{HOST}:{self.server_port}/{self._entrance}/"

    def enter(self, token: str) -> bool:
        """Tell whether a token opens the entrance, and close the entrance if it does: it works only once."""
        with self._entering:
            is_right = hmac.compare_digest(token.encode("utf-8", "replace"), self._entrance.encode())
            if is_right:
                self._entrance = secrets.token_urlsafe(18)
            return is_right

    def wait_for_followers(self, seconds: float) -> None:
        """Wait until no browser follows the run any more, but at most this many seconds."""
        end = time.monotonic() + seconds
        while self.following and time.monotonic() < end:
            time.sleep(_STEP)
        time.sleep(_STEP)  # for the last weights

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore the error of a connection: the browser has closed it."""


class RunWindow:
    """Show a run of this process in the browser while it learns: its server works in a thread.

    `run` is the run folder. Close it after the run: a browser that follows the run gets the last pass first.
    """

    def __init__(self, run: Path):
        self._playground = Playground(str(run), "", None, run)
        self._server = PlayServer(self._playground)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """The address to open in a browser."""
        return self._server.address

    def close(self) -> None:
        """Wait until the browsers that follow the run have its end, then end the server."""
        if self._playground.watched is not None:
            self._playground.watched.end()
        self._server.wait_for_followers(_SECONDS_TO_FOLLOW)
        self._server.shutdown()
        self._server.server_close()
        self._playground.close()


class _Handler(BaseHTTPRequestHandler):
    server: PlayServer
    timeout = 60  # seconds that a browser may take to send a request
    server_version, sys_version = "snsim", ""

    # ---- Who may ask -------------------------------------------------------------------------------------------------

    @cached_property
    def _origins(self) -> set[str]:
        port = self.server.server_port
        ends = [f":{port}", ""] if port == 80 else [f":{port}"]  # browsers leave the port of http out
        return {f"http://{host}{end}" for host in (HOST, "localhost") for end in ends}

    def _refusal(self) -> HTTPStatus | None:
        """Return why the request is refused, None if it is not."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if f"http://{host}" not in self._origins:
            return HTTPStatus.FORBIDDEN
        if origin is not None and origin not in self._origins:
            return HTTPStatus.FORBIDDEN
        if self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return HTTPStatus.FORBIDDEN
        token = self._path[0] if self._path else ""
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode()):
            return HTTPStatus.NOT_FOUND
        return None

    @property
    def _path(self) -> list[str]:
        return [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]

    def do_GET(self) -> None:
        """Answer a request for a file, a page, the gallery or the events of a run."""
        refusal = self._refusal()
        if refusal is HTTPStatus.NOT_FOUND and len(self._path) == 1 and self.server.enter(self._path[0]):
            self.send_response(HTTPStatus.SEE_OTHER)
            self.send_header("Location", f"/{self.server.token}/")
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            return
        if refusal is not None:
            self.send_error(refusal)
            return
        match self._path[1:]:
            case []:
                self._send_file("play.html")
            case [("play.css" | "play.js") as name]:
                self._send_file(name)
            case ["start"]:
                self._send_json(self._start())
            case ["gallery", name]:
                self._answer(lambda: _gallery_net(name))
            case ["page", key]:
                self._send_page(key)
            case ["events"]:
                self._send_events()
            case ["weights"]:
                self._send_weights()
            case _:
                self.send_error(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        """Answer a request to compile, save or train a text, or to stop the training."""
        refusal = self._refusal()
        if refusal is None and self.headers.get("Origin") is None:
            refusal = HTTPStatus.FORBIDDEN
        length = self.headers.get("Content-Length", "")
        if refusal is None and not (length.isascii() and length.isdigit()):
            refusal = HTTPStatus.LENGTH_REQUIRED
        if refusal is None and (len(length) > 9 or int(length) > _LARGEST):
            refusal = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        if refusal is not None:
            self.close_connection = True
            self.send_error(refusal)
            return
        try:
            request = json.loads(self.rfile.read(int(length)))
            text, name = str(request["text"]), str(request.get("name") or self.server.playground.name)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        if name != self.server.playground.name and name not in map(str, map(gallery_file, gallery_names())):
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        playground = self.server.playground
        match self._path[1:]:
            case ["compile"]:
                self._answer(lambda: playground.compile(text, name))
            case ["save"] if name == playground.name:
                self._answer(lambda: {"saved": playground.save(text)})
            case ["train"]:
                self._answer(lambda: playground.train(text, name))
            case ["stop"]:
                playground.stop()
                self._send_json({})
            case _:
                self.send_error(HTTPStatus.NOT_FOUND)

    # ---- Answers -----------------------------------------------------------------------------------------------------

    def _start(self) -> dict[str, Any]:
        playground = self.server.playground
        return {
            "name": playground.name,
            "title": Path(playground.name).name,
            "text": playground.read_again(),
            "can_save": playground.file is not None,
            "about": playground.about,
            "run": None if playground.run is None else for_line(playground.run),
            "page": playground.open_run(),
            "gallery": [{"name": name, "doc": gallery_doc(name)} for name in gallery_names()],
            "names": {kind: names_of(kind) for kind in KINDS},
        }

    def _send_events(self) -> None:
        """Send the passes of the watched run as they are written, and an event at its end."""
        watched = self.server.playground.watched
        if watched is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self._send_head("text/event-stream")
        self.server.following += 1
        try:
            for event, data in _events(watched):
                self.wfile.write(f"event: {event}\ndata: {json.dumps(data)}\n\n".encode())
                self.wfile.flush()
        finally:
            self.server.following -= 1

    def _send_weights(self) -> None:
        watched = self.server.playground.watched
        if watched is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            content = watched.weights()
        except SnError:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self._send("application/octet-stream", content)

    def _send_page(self, key: str) -> None:
        page = self.server.playground.page(key)
        if page is None:
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            self._send("text/html", page.encode(), "sandbox allow-scripts allow-downloads; frame-ancestors 'self'")

    def _send_file(self, name: str) -> None:
        self._send(_TYPES[Path(name).suffix], read_file(_HERE / name, _LARGEST))

    def _answer(self, make: Callable[[], Mapping[str, Any]]) -> None:
        """Send what a function returns, or the faults that it raises."""
        try:
            self._send_json(make())
        except SnError as error:
            self._send_json({"faults": faults_as_json(error.faults)})

    def _send_json(self, value: Mapping[str, Any]) -> None:
        self._send("application/json", json.dumps(value).encode())

    def _send(self, kind: str, content: bytes, policy: str = _POLICY) -> None:
        self._send_head(kind, policy, len(content))
        self.wfile.write(content)

    def _send_head(self, kind: str, policy: str = _POLICY, length: int | None = None) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in (
            ("Content-Security-Policy", policy),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cache-Control", "no-store"),
        ):
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Print nothing: the terminal shows the address alone."""


def _like_file(text: str, before: bytes) -> bytes:
    """Return a text as bytes, with the line ends and the byte order mark of the file that it replaces."""
    windows = before.count(b"\r\n")
    counts = {"\n": before.count(b"\n") - windows, "\r\n": windows, "\r": before.count(b"\r") - windows}
    end = max(counts, key=lambda each: counts[each])  # "\n" of a file without lines
    mark = codecs.BOM_UTF8 if before.startswith(codecs.BOM_UTF8) else b""
    return mark + text.replace("\n", end).encode()


def _gallery_net(name: str) -> dict[str, Any]:
    """Return the path and the text of a net of the gallery, and what is said of it: paper, published figures."""
    file = gallery_file(name)
    if file is None:
        raise fail(f'no net of the gallery is called "{for_line(name)}"', hint="choose one of the list")
    text = read_file(file, _LARGEST).decode("utf-8")
    return {"name": str(file), "text": text, "about": gallery_text(gallery_entry(name))}


def _events(watched: WatchedRun) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield `("pass", line)` for each pass of a run as it is written, and `("end", {})` when no more will come."""
    place = 0
    while True:
        ended = watched.has_ended  # before the passes are read: none comes after it
        before = place
        try:
            lines, place = watched.passes_from(place)
        except SnError as error:
            yield "fault", {"text": str(error)}
            return
        for line in lines:
            yield "pass", line
        if ended and place == before:
            yield "end", {"faults": watched.faults}
            return
        if not lines:
            yield "wait", {}  # a browser that has gone away is noticed here
        if not ended:
            time.sleep(_STEP)
