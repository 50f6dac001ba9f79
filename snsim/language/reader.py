"""Text to forms, one at a time. The only module that imports lark; none of lark's own words reaches a user."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Callable, Iterator

from lark import Lark, Transformer, UnexpectedCharacters, UnexpectedToken

from snsim.errors import Fault, SnError, Source, Span, fail
from snsim.language.forms import BACKQUOTE, NIL, QUOTE, SPLICE, UNQUOTE, Form, Pair, symbol
from snsim.language.limits import DEFAULT, Limits, exceeds_source
from snsim.language.literals import (
    Misread,
    Rows,
    make_array,
    make_matrix,
    read_number,
    read_scope,
    read_string,
    read_symbol,
)
from snsim.language.quasiquote import Context

Warn = Callable[[Fault], None]

_OF_THE_PAST = {  # signs that SN read in some places: what to do about them
    "^": "SN's short commands (^Pname, ^Lfile) were for its prompt: write the call that is meant",
    "{": "formatted help of SN's panels is not read: take it out",
    "#": "a comment goes from ; to the end of its line; #{ C code #} was for SN's compiler: take it out",
}

_PLAIN = {ord(sign): "-" for sign in "\u2010\u2011\u2012\u2013\u2014\u2212"}  # dashes, and the sign for minus


class Unfinished(SnError):
    """The text ends inside a form: more of it may follow."""


@dataclass(slots=True)
class Piece:
    """A token, or what was made of tokens: lark's parser looks at `type` only."""

    type: str
    value: Any
    span: Span


_PREFIXES = {"QUOTE": QUOTE, "BACKQUOTE": BACKQUOTE, "COMMA": UNQUOTE, "SPLICE": SPLICE, "TILDE": symbol("null")}
_ATOMS: dict[str, Callable[[str], Form]] = {
    "NUMBER": read_number, "STRING": read_string, "SCOPE": read_scope, "SYMBOL": read_symbol,
}
_ARRAYS = {"ARRAY", "ARRAY_ROW", "HASH"}
_OPENERS, _CLOSERS = {"OPEN", "MATRIX", *_ARRAYS}, {"CLOSE", "MATRIX_CLOSE", "HASH_CLOSE"}


def _covering(first: Piece, last: Piece) -> Span:
    return Span(first.span.source, first.span.start, last.span.end)


class _Builder(Transformer[Piece, Piece]):
    """What each rule of the grammar makes of its pieces. Called by the parser when a rule is complete."""

    def parens(self, pieces: list[Piece]) -> Piece:
        span = _covering(pieces[0], pieces[-1])
        inner = pieces[1:-1]
        result: Form = NIL
        if len(inner) > 2 and inner[-2].type == "DOT":
            result = inner[-1].value
            del inner[-2:]
        for piece in reversed(inner):
            result = Pair(piece.value, result, piece.span)
        if isinstance(result, Pair):
            result.span = span
        return Piece("form", result, span)

    def prefixed(self, pieces: list[Piece]) -> Piece:
        sign, form = pieces
        span = _covering(sign, form)
        return Piece("form", Pair(_PREFIXES[sign.type], Pair(form.value, NIL, form.span), sign.span, span), span)

    def rows(self, pieces: list[Piece]) -> Piece:
        opening, parts = pieces[0], pieces[1:-1]
        for part in parts:
            if part.type != parts[0].type:
                raise fail("rows and numbers stand side by side in a matrix", part.span,
                           "put every number of a row between [ and ]", (("the matrix", opening.span),))
            if part.type == "rows" and part.value.shape != parts[0].value.shape:
                raise fail(f"this row of the matrix is {_shape(part)} long, and the first is {_shape(parts[0])}",
                           part.span, "all rows have equal length", (("the first row", parts[0].span),))
            if part.type == "rows" and part.value.letters:
                raise fail("the type of a matrix stands at its outermost bracket", part.span,
                           f"write [{part.value.letters}[... ", (("the matrix", opening.span),))
        try:
            rows = Rows.of([part.value for part in parts], opening.value[1:])
        except Misread as misread:
            raise _misread(misread, opening.span) from None
        return Piece("rows", rows, _covering(opening, pieces[-1]))

    def array_row(self, pieces: list[Piece]) -> Piece:
        opening, parts = pieces[0], pieces[1:-1]
        for part in parts:
            if (part.type == "array row") is not (parts[0].type == "array row"):
                raise fail("rows and elements stand side by side in an array", part.span,
                           "put the elements of a row between [ and ]", (("the array", opening.span),))
            if part.type == "array row" and part.value.shape != parts[0].value.shape:
                raise fail(f"this row of the array is {_shape(part)} long, and the first is {_shape(parts[0])}",
                           part.span, "all rows have equal length", (("the first row", parts[0].span),))
        try:
            return Piece("array row", Rows.of([part.value for part in parts], "a"), _covering(opening, pieces[-1]))
        except Misread as misread:
            raise _misread(misread, opening.span) from None

    def array(self, pieces: list[Piece]) -> Piece:
        rows = self.array_row(pieces)
        return Piece("form", make_array(rows.value), rows.span)

    def matrix(self, pieces: list[Piece]) -> Piece:
        rows = pieces[0]
        try:
            return Piece("form", make_matrix(rows.value), rows.span)
        except Misread as misread:
            raise _misread(misread, rows.span) from None


def _misread(misread: Misread, span: Span) -> SnError:
    """The error for what was misread in a token or matrix at `span`."""
    end = span.end if misread.end is None else span.start + misread.end
    return fail(misread.message, Span(span.source, span.start + misread.start, end), misread.hint)


def _shape(rows: Piece) -> str:
    return " x ".join(str(size) for size in rows.value.shape)


@cache
def _grammar() -> Lark:
    """The tables of the grammar: built once a process, in a few hundredths of a second, and kept nowhere else."""
    text = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    return Lark(text, start="form", parser="lalr", lexer="basic", keep_all_tokens=True, transformer=_Builder(),
                maybe_placeholders=False)


class FormReader:
    """Reads the form at an offset of a text. Text behind the form is not looked at, so it may be anything."""

    def __init__(self, source: Source, limits: Limits = DEFAULT, warn: Warn | None = None):
        """Refuses a text over `limits.source_bytes`, before anything of it is read."""
        text = source.text
        too_large = exceeds_source(len(text) if text.isascii() else len(text.encode("utf-8", "replace")), limits)
        if too_large:
            raise fail(f"{source.name}: {too_large}", None, "is this a text of SN's Lisp?")
        self._source = source
        self._limits = limits
        self._warn = warn or (lambda fault: None)
        self._tokens: Iterator[Any] = iter(())
        self._start = 0  # where the text begins that `_tokens` come from
        self._next = -1  # the offset at which `_tokens` stands

    def read(self, offset: int = 0) -> tuple[Form, Span, int] | None:
        """The form that begins at `offset` or behind it, its place and the offset behind it; None at the end.

        Stray `)` before the form are skipped with one warning for each run of them. SnError if there is no form.
        """
        if offset != self._next:
            self._tokens = _grammar().lex(self._source.text[offset:])
            self._start = offset
        self._next = -1
        first = self._skip_stray(self._token())
        if first is None:
            return None
        piece = self._form(first)
        self._next = piece.span.end
        return piece.value, piece.span, piece.span.end

    def tokens(self) -> Iterator[Piece]:
        """All tokens of the text, whether they make forms or not; their values are texts."""
        self._tokens, self._start = _grammar().lex(self._source.text), 0
        while (token := self._token()) is not None:
            yield token

    def _token(self) -> Piece | None:
        try:
            token = next(self._tokens, None)
        except UnexpectedCharacters as error:
            raise self._unreadable(self._start + (error.pos_in_stream or 0)) from None
        if token is None:
            return None
        start = self._start
        assert token.start_pos is not None and token.end_pos is not None
        return Piece(token.type, token.value, Span(self._source, start + token.start_pos, start + token.end_pos))

    def _skip_stray(self, token: Piece | None) -> Piece | None:
        if token is None or token.type != "CLOSE":
            return token
        first, count = token, 0
        while token is not None and token.type == "CLOSE":
            last, count = token, count + 1
            token = self._token()
        what = "this ) closes nothing" if count == 1 else f"these {count} ) close nothing"
        self._warn(Fault(f"{what} and {'is' if count == 1 else 'are'} skipped", _covering(first, last),
                         "take it out, or look for a ( that is missing above", severity="warning"))
        return token

    def _form(self, token: Piece | None) -> Piece:
        """Feed the parser until the form that begins with `token` is complete."""
        parser = _grammar().parse_interactive()
        opened: list[tuple[Piece, Context]] = []  # brackets and signs that are not complete, with what they allow
        break_in: Piece | None = None  # a parenthesis in the first column, inside a list that is still open
        while True:
            if token is None:
                raise self._unclosed([piece for piece, _ in opened], break_in)
            context = opened[-1][1] if opened else Context()
            if token.type == "MATRIX" and token.value == "[" and opened and opened[-1][0].type in _ARRAYS:
                token.type = "ARRAY_ROW"
            kind = token.type
            if kind in ("COMMA", "SPLICE") and not context.allows_comma:
                raise fail(f"a comma under ' computes nothing: '...{token.value}", token.span,
                           "write ` in place of the '")
            piece = self._piece(token)
            try:
                parser.feed_token(piece)  # type: ignore[arg-type]  # lark reads only its `type`
            except UnexpectedToken:
                raise _misplaced(piece, [opening for opening, _ in opened]) from None
            if kind in _OPENERS or kind in _PREFIXES:
                if kind == "OPEN" and opened and break_in is None and token.span.column == 1:
                    break_in = piece
                opened.append((piece, context.inside(_PREFIXES[kind]) if kind in _PREFIXES else context))
                if len(opened) > self._limits.nesting:
                    raise fail(f"more than {self._limits.nesting} lists stand inside one another", token.span,
                               f"{self._limits.nesting} is the limit", (("the outermost", opened[0][0].span),))
            elif kind != "DOT":
                if kind in _CLOSERS:
                    opened.pop()
                while opened and opened[-1][0].type in _PREFIXES:
                    opened.pop()
                if not opened:
                    form: Piece = parser.feed_eof()
                    return form
            token = self._token()

    def _piece(self, token: Piece) -> Piece:
        """The token with the value it stands for."""
        convert = _ATOMS.get(token.type)
        if convert is not None:
            try:
                token.value = convert(token.value)
            except Misread as misread:
                raise _misread(misread, token.span) from None
            if isinstance(token.value, Pair):
                token.value.span = token.span
        return token

    def _unclosed(self, opened: list[Piece], break_in: Piece | None) -> SnError:
        """The text ended inside a form: the outermost bracket is the one that is never closed."""
        brackets = [piece for piece in opened if piece.type in _OPENERS]
        if not brackets:
            return Unfinished(Fault(f"nothing stands behind this {opened[0].value}", opened[0].span))
        first, last = brackets[0], brackets[-1]
        sign, closing = {"OPEN": ("(", ")"), "HASH": ("#[", "#]")}.get(first.type, ("[", "]"))
        also = () if last is first else (("the innermost that is open", last.span),)
        if break_in is not None:
            also = (("it takes in this form, which begins a line", break_in.span),)
        missing = len(brackets)
        return Unfinished(Fault(f"this {sign} is never closed", first.span,
                                f"{missing} closing bracket{'s are' if missing > 1 else ' is'} missing, "
                                f"the last of them a {closing}", also))

    def _unreadable(self, offset: int) -> SnError:
        """No token begins at this offset."""
        text = self._source.text
        sign = text[offset]
        span = Span(self._source, offset, offset + 1)
        if sign == '"':
            return fail("this string is not closed on its line", span,
                        'end it with ", or put a backslash before the end of the line to go on in the next one')
        if sign == "|":
            return fail("this | has no second one on its line", span, "a name with odd signs is written |so|")
        if text.startswith("#!", offset):
            return fail("this #! has no !# behind it", span)
        if sign == "\0" or (sign < " " and sign not in "\t\n\r\f\v"):
            return fail(f"control character {ord(sign)}: this is no text of SN's Lisp", span,
                        "is it the right file, or one of weights or patterns?")
        name = unicodedata.name(sign, "") or f"character {ord(sign)}"
        shown = f"{sign} ({name})" if sign.isprintable() and sign != " " else name
        blank = "write a plain blank" if unicodedata.category(sign) in ("Zs", "Cf") else ""
        return fail(f"{shown} has no meaning here", span, _OF_THE_PAST.get(sign, blank))


def _misplaced(piece: Piece, opened: list[Piece]) -> SnError:
    """The token cannot follow what was read."""
    inside = opened[-1] if opened else None
    also = () if inside is None else (("inside of", inside.span),)
    if inside is not None and inside.type in _ARRAYS and piece.type in _CLOSERS:
        closing = "#]" if inside.type == "HASH" else "]"
        if piece.value == closing:
            return fail("an array has at least one element", inside.span)
        return fail(f"a {closing} is missing before this {piece.value}", piece.span, "",
                    ((f"the {inside.value} that is open", inside.span),))
    if inside is not None and inside.type == "MATRIX":
        if piece.type == "MATRIX_CLOSE":
            return fail("a matrix has at least one element", inside.span)
        if piece.type == "CLOSE":
            return fail("a ] is missing before this )", piece.span, "", (("the [ that is open", inside.span),))
        hint = "build a matrix of computed numbers with (matrix ...) and set its elements"
        written = piece.span.source.text[piece.span.start:piece.span.end][:40]
        if (plain := written.translate(_PLAIN)) != written:
            hint = f"write the hyphen of the keyboard for minus: {plain}"
        return fail("a matrix holds numbers only", piece.span, hint, also)
    if piece.type == "DOT":
        return fail("a dot stands in a list only, before its last element", piece.span, "(a . b)", also)
    if piece.type in ("MATRIX_CLOSE", "HASH_CLOSE"):
        return fail(f"this {piece.value} closes nothing", piece.span,
                    "a list ends with )" if inside else "take it out", also)
    if inside is not None and inside.type in _PREFIXES:
        return fail(f"nothing stands behind this {inside.value}", inside.span)
    return fail("one element, and then ), stands behind a dot", piece.span, "(a . b)", also)


def read_forms(source: Source, limits: Limits = DEFAULT, warn: Warn | None = None) -> Iterator[tuple[Form, Span]]:
    """The forms of a text with their places, one at a time: a later one is not looked at before it is asked for."""
    reader = FormReader(source, limits, warn)
    found = reader.read(0)
    while found is not None:
        form, span, offset = found
        yield form, span
        found = reader.read(offset)


def read_tokens(source: Source) -> Iterator[tuple[str, Span]]:
    """The tokens of a text in order, each with its kind (a terminal of the grammar) and its place; blanks and comments
    stand between them. SnError at a sign that begins none."""
    reader = FormReader(source)
    yield from ((token.type, token.span) for token in reader.tokens())
