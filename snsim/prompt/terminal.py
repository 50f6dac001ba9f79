"""Run the prompt on a terminal: multi-line input, colours, completion, help. Only this file uses prompt_toolkit.

The first prompt appears before the language is loaded, which happens while the user reads and types.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import is_done
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout.processors import ConditionalProcessor, HighlightMatchingBracketProcessor
from prompt_toolkit.lexers import Lexer
from prompt_toolkit.styles import Style

from snsim.cache_folder import UnsafeCacheError, cache_folder, is_private_file, private_folder
from snsim.colour import echo
from snsim.errors import SnError, for_line

if TYPE_CHECKING:
    from snsim.prompt.session import Session

PROMPT_SIGN = "? "  # as in SN
_STYLE = Style.from_dict(
    {
        "keyword": "bold",
        "name.builtin": "ansiblue",
        "comment": "ansibrightblack",
        "string": "ansigreen",
        "number": "ansimagenta",
        "name.decorator": "ansicyan",
        "bottom-toolbar": "noreverse ansibrightblack",
    }
)


class BackgroundSession:
    """Create the session in a background thread; `wait` blocks until it exists."""

    def __init__(self, create: Callable[[], Session]):
        self._create = create
        self._session: Session | None = None
        self._error: BaseException | None = None
        self._thread: Thread | None = None

    def begin(self) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._run, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            self._session = self._create()
        except BaseException as error:
            self._error = error

    @property
    def ready(self) -> Session | None:
        """The session; None until it exists."""
        return self._session

    def wait(self) -> Session:
        self.begin()
        assert self._thread is not None
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._session is not None
        return self._session


def run(create: Callable[[], Session], banner: str, first: Callable[[Session], object] | None = None) -> int:
    """Read and evaluate until Ctrl-D; `first` is called before the first prompt. Return the exit code."""
    loading = BackgroundSession(create)
    echo(banner)
    if first is not None:
        first(loading.wait())
    try:
        return _ask(loading)
    finally:
        if loading.ready is not None:
            from snsim.prompt.session import close

            close(loading.ready)


def _ask(loading: BackgroundSession) -> int:
    asking: PromptSession[str] = PromptSession(
        history=_history(),
        lexer=_Colours(loading),
        completer=_Names(loading),
        complete_while_typing=False,
        multiline=True,
        key_bindings=_keys(),
        style=_STYLE,
        auto_suggest=AutoSuggestFromHistory(),
        bottom_toolbar=lambda: _toolbar(asking, loading),
        prompt_continuation="  ",
        reserve_space_for_menu=6,
        input_processors=[ConditionalProcessor(HighlightMatchingBracketProcessor(chars="()[]"), ~is_done)],
    )
    asking.app.after_render += lambda _: loading.begin()
    while True:
        try:
            text = asking.prompt(PROMPT_SIGN)
        except KeyboardInterrupt:
            continue
        except EOFError:
            return 0
        if text.strip():
            try:
                _answer(loading.wait(), text)
            except SystemExit:
                return 0


def _answer(session: Session, text: str) -> None:
    from snsim.errors import Source
    from snsim.prompt.responses import answer

    answer(session, Source("<prompt>", text), sys.stderr)


def _history() -> History:
    """Return the history, kept in the cache folder; of this session only if that folder cannot be used."""
    try:
        path = private_folder(cache_folder()) / "history"
        if not is_private_file(path):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except (OSError, SnError, UnsafeCacheError):
        return InMemoryHistory()
    return FileHistory(str(path)) if os.access(path, os.W_OK) else InMemoryHistory()


def _keys() -> KeyBindings:
    """Bind Enter: evaluate if all brackets are closed, otherwise begin an indented line. Alt-Enter begins a line."""
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        from snsim.editor.cursor import indentation
        from snsim.prompt.session import is_complete

        buffer = event.current_buffer
        at_end = not buffer.document.text_after_cursor.strip()
        if buffer.complete_state and buffer.complete_state.current_completion:
            buffer.complete_state = None
        elif at_end and is_complete(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n" + " " * indentation(buffer.document.text_before_cursor))

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys


class _Colours(Lexer):
    """Colour the input with the Pygments lexer of the language."""

    def __init__(self, loading: BackgroundSession):
        self._loading = loading

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        if self._loading.ready is None:
            lines = document.lines
            return lambda number: [("", lines[number])] if number < len(lines) else []
        from prompt_toolkit.lexers import PygmentsLexer

        from snsim.editor.lexer import SnLexer

        return PygmentsLexer(SnLexer).lex_document(document)


class _Names(Completer):
    """Complete names, with their help lines; inside a string, file names."""

    def __init__(self, loading: BackgroundSession):
        self._loading = loading

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        session = self._loading.ready
        if session is None:
            return
        from snsim.editor.cursor import word_before
        from snsim.prompt.help_words import everything

        before = document.text_before_cursor
        if before.count('"') % 2:
            yield from _files(before.rpartition('"')[2])
            return
        word = word_before(before)
        seen = set()
        for name, what, doc in everything(session.interpreter):
            if name.startswith(word.lower()) and name not in seen:
                seen.add(name)
                yield Completion(name, -len(word), display_meta=f"{what}: {doc}")
        for name in session.own_names():
            if name.startswith(word.lower()) and name not in seen:
                yield Completion(name, -len(word), display_meta="variable of yours")


def _files(begun: str) -> Iterable[Completion]:
    """Yield the files and folders whose path begins with a text."""
    folder, _, start = begun.rpartition("/")
    try:
        paths = sorted(Path(folder or ("/" if begun.startswith("/") else ".")).expanduser().iterdir())
    except (OSError, ValueError, RuntimeError):  # no such folder, not a folder name, or no such user
        return
    for path in paths:
        if path.name.startswith(start) and (path.is_dir() or path.suffix in (".sn", ".lsh", ".npz", ".safetensors")):
            name = path.name + ("/" if path.is_dir() else "")
            yield Completion(name, -len(start), display=for_line(name))


def _toolbar(asking: PromptSession[str], loading: BackgroundSession) -> str:
    """Return the help line of the word whose form the cursor is in."""
    session = loading.ready
    if session is None:
        return "loading the language ..."
    from snsim.editor.cursor import open_heads
    from snsim.prompt.help_words import everything

    heads = open_heads(asking.default_buffer.document.text_before_cursor)
    if not heads:
        return "(help) explains the prompt"
    docs = {name: doc for name, _, doc in reversed(list(everything(session.interpreter)))}
    return next((docs[head] for head in reversed(heads) if head in docs), "")[:200]
