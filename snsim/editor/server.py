"""Run the language server: answer an editor's questions over standard input and output.

`diagnostics`, `definitions` and `hover_and_completion` compute the answers. This module translates them to the
protocol.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from snsim import __version__
from snsim.editor.definitions import Definition, definitions
from snsim.editor.diagnostics import check_text
from snsim.editor.hover_and_completion import Cursor, definition_of, explanation, proposals
from snsim.errors import Fault, SnError, Source, Span, fail
from snsim.language.source_files import read_source
from snsim.optional_packages import needing

with needing("lsprotocol", "pygls", what="the language server"):
    from lsprotocol import types
    from pygls.lsp.server import LanguageServer
    from pygls.workspace import TextDocument

_KINDS = {
    "function": types.CompletionItemKind.Function,
    "macro": types.CompletionItemKind.Function,
    "variable": types.CompletionItemKind.Variable,
    "layer": types.CompletionItemKind.Field,
    "file": types.CompletionItemKind.File,
    "net": types.CompletionItemKind.Class,
    "training": types.CompletionItemKind.Class,
    "table": types.CompletionItemKind.Constant,
}


def serve() -> int:
    """Serve until the editor ends the connection. Return the exit code."""
    # Duplicates, because the server closes its streams at the end.
    requests, replies = os.fdopen(os.dup(sys.stdin.fileno()), "rb"), os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    try:
        make_server().start_io(requests, replies)
    except MemoryError:  # pygls allocates the size that a message claims before it reads the message
        raise fail(
            "a message states a length that exceeds the memory of this machine",
            hint="let an editor start `snsim lsp`: it reads only messages of the Language Server Protocol",
        ) from None
    return 0


class _Server(LanguageServer):
    """A server that shows no pop-up for an unreadable message; the editor still gets an error reply."""

    def report_server_error(self, error: Exception, source: Any) -> None:
        pass


def make_server() -> LanguageServer:
    logging.getLogger("pygls").setLevel(logging.CRITICAL)  # it prints a traceback for each damaged message
    server = _Server("snsim", __version__)
    known: dict[str, list[Definition]] = {}  # the definitions of each text, from its last check

    def publish(uri: str) -> None:
        """Send the faults of a text to the editor."""
        document, source = text_of(uri)
        diagnostics = [_diagnostic(fault) for fault in check_text(source).faults]
        server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, diagnostics, document.version))
        known[uri] = list(definitions(source))

    def text_of(uri: str) -> tuple[TextDocument, Source]:
        """Return the text of a document: as it is open in the editor, otherwise as it is on disk.

        It is empty if there is no such file, or if the file is not text.
        """
        document = server.workspace.get_text_document(uri)
        on_disk = bool(document.path) and "\0" not in document.path
        name = document.path if on_disk else "<untitled>"
        if unquote(uri) in server.workspace.text_documents:
            return document, Source(name, document.source, is_file=bool(document.path))
        try:
            return document, read_source(name) if on_disk else Source(name, "", is_file=bool(document.path))
        except SnError:
            return document, Source(name, "", is_file=bool(document.path))

    @server.feature(types.INITIALIZED)
    def _(params: types.InitializedParams) -> None:
        check_text(Source("<warming>", "(net warming (layer a 1) (layer b 1) (connect a b (full)))"))

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def _(params: types.DidOpenTextDocumentParams) -> None:
        publish(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def _(params: types.DidChangeTextDocumentParams) -> None:
        publish(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def _(params: types.DidSaveTextDocumentParams) -> None:
        for uri in list(known):  # other texts may include this one
            publish(uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def _(params: types.DidCloseTextDocumentParams) -> None:
        known.pop(params.text_document.uri, None)
        server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(params.text_document.uri, []))

    def cursor_of(
        params: types.HoverParams | types.CompletionParams | types.DefinitionParams,
    ) -> tuple[Cursor, list[Definition]]:
        _, source = text_of(params.text_document.uri)
        cursor = Cursor(source, _offset(source, params.position))
        return cursor, known.get(params.text_document.uri) or list(definitions(source))

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def _(params: types.HoverParams) -> types.Hover | None:
        cursor, defined = cursor_of(params)
        text = explanation(cursor, defined)
        return None if text is None else types.Hover(types.MarkupContent(types.MarkupKind.PlainText, text))

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=["(", '"', "/"]))
    def _(params: types.CompletionParams) -> list[types.CompletionItem]:
        cursor, defined = cursor_of(params)
        return [
            types.CompletionItem(
                p.name, kind=_KINDS.get(p.kind, types.CompletionItemKind.Keyword), detail=p.kind, documentation=p.doc
            )
            for p in proposals(cursor, defined)
        ]

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    def _(params: types.DefinitionParams) -> types.Location | None:
        cursor, defined = cursor_of(params)
        target = definition_of(cursor, defined)
        if target is None:
            return None
        if isinstance(target, Path):
            start = types.Position(0, 0)
            return types.Location(target.resolve().as_uri(), types.Range(start, start))
        uri = params.text_document.uri
        if target.span.source.name != cursor.source.name:
            uri = Path(target.span.source.name).resolve().as_uri()
        return types.Location(uri, _range(target.span))

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    def _(params: types.DocumentFormattingParams) -> list[types.TextEdit]:
        from snsim.formatter.format import formatted

        _, source = text_of(params.text_document.uri)
        try:
            text = formatted(source)
        except SnError:  # the editor already shows its faults
            return []
        whole = _range(Span(source, 0, len(source.text)))
        return [] if text == source.text else [types.TextEdit(whole, text)]

    return server


def _diagnostic(fault: Fault) -> types.Diagnostic:
    assert fault.span is not None, "check_text gives every fault a place"
    hint = f"\n{fault.hint}" if fault.hint else ""
    related = [
        types.DiagnosticRelatedInformation(
            types.Location(Path(span.source.name).resolve().as_uri(), _range(span)), label
        )
        for label, span in fault.also
        if span.source.path is not None
    ]
    severity = types.DiagnosticSeverity.Error if fault.severity == "error" else types.DiagnosticSeverity.Warning
    return types.Diagnostic(
        _range(fault.span), fault.message + hint, severity, source="snsim", related_information=related
    )


def _range(span: Span) -> types.Range:
    return types.Range(_position(span.source, span.start), _position(span.source, span.end))


def _position(source: Source, offset: int) -> types.Position:
    """Return a position in the protocol's units: lines from 0, and UTF-16 code units in a line."""
    line, column = source.position(offset)
    before = source.line(line)[: column - 1]
    return types.Position(line - 1, len(before.encode("utf-16-le", "surrogatepass")) // 2)


def _offset(source: Source, position: types.Position) -> int:
    """Return the offset of a position in the protocol's units.

    A position after the end of a line means the end of the line; one after the text, the end of the text.
    """
    lines = source.text.split("\n", position.line + 1) if position.line >= 0 else []
    if not 0 <= position.line < len(lines):
        return len(source.text) if position.line >= 0 else 0
    line = lines[position.line].removesuffix("\r")
    units = line.encode("utf-16-le", "surrogatepass")[: 2 * max(0, position.character)]
    return sum(len(before) + 1 for before in lines[: position.line]) + len(units.decode("utf-16-le", "ignore"))
