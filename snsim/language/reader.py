"""Text to forms, one at a time. The only module that imports lark; none of lark's own words reaches a user."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lark import Lark, Transformer, UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

from snsim.errors import Fault, SnError, Source, Span, fail
from snsim.language.forms import BACKQUOTE, NIL, QUOTE, SPLICE, UNQUOTE, Form, Pair, symbol
from snsim.language.limits import DEFAULT, Limits, exceeds_source
from snsim.language.literals import (
    INFINITY,
    NUMBER,
    Rows,
    TokenError,
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


class UnfinishedFormError(SnError):
    """The text ends inside a form: more of it may follow."""


@dataclass(slots=True)
class Piece:
    """A token, or what was made of tokens: lark's parser looks at `type` only."""

    type: str
    value: Any
    span: Span


@dataclass(slots=True)
class _Open:
    """A bracket or a sign whose form is not complete."""

    piece: Piece
    context: Context  # what it allows inside
    takes_elements: bool  # it is a list or an array, and no dot was read in it
    fed: bool  # the parser was given it, and everything before it
    first: Pair | None = None  # the first and the last cell of the elements that the parser was not given yet
    last: Pair | None = None

    def add(self, cell: Pair) -> None:
        """Add an element."""
        if self.last is None:
            self.first = cell
        else:
            self.last.cdr = cell
        self.last = cell


_PREFIXES = {"QUOTE": QUOTE, "BACKQUOTE": BACKQUOTE, "COMMA": UNQUOTE, "SPLICE": SPLICE, "TILDE": symbol("null")}
_ATOMS: dict[str, Callable[[str], Form]] = {
    "NUMBER": read_number,
    "STRING": read_string,
    "SCOPE": read_scope,
    "SYMBOL": read_symbol,
}
_ARRAYS = {"ARRAY", "ARRAY_ROW", "HASH"}
_OUTSIDE = Context()  # of every bracket and sign
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
            if piece.type == "ELEMENTS":
                first, last = piece.value
                last.cdr = result
                result = first
            else:
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
                raise fail(
                    "rows and numbers stand side by side in a matrix",
                    _first_number(part),
                    hint="put every number of a row between [ and ]",
                    also=(("the matrix", opening.span),),
                )
            if part.type == "rows" and part.value.shape != parts[0].value.shape:
                raise fail(
                    f"this row of the matrix is {_shape(part)} long, and the first is {_shape(parts[0])}",
                    part.span,
                    hint=f"write as many as in the first row, {_shape(parts[0])}",
                    also=(("the first row", parts[0].span),),
                )
            if part.type == "rows" and part.value.letters:
                raise fail(
                    "the type of a matrix stands at its outermost bracket",
                    part.span,
                    hint=f"write [{part.value.letters} at the outermost bracket, and [ at the rows",
                    also=(("the matrix", opening.span),),
                )
        values = [part.value for part in parts]
        if parts[0].type == "NUMBERS":
            values = [number for run in values for number in run] if len(values) > 1 else values[0]
        try:
            rows = Rows.of(values, opening.value[1:])
        except TokenError as misread:
            raise _misread(misread, opening.span) from None
        return Piece("rows", rows, _covering(opening, pieces[-1]))

    def array_row(self, pieces: list[Piece]) -> Piece:
        opening, parts = pieces[0], [part for piece in pieces[1:-1] for part in _one_by_one(piece)]
        for part in parts:
            if (part.type == "array row") is not (parts[0].type == "array row"):
                raise fail(
                    "rows and elements stand side by side in an array",
                    part.span,
                    hint="put the elements of a row between [ and ]",
                    also=(("the array", opening.span),),
                )
            if part.type == "array row" and part.value.shape != parts[0].value.shape:
                raise fail(
                    f"this row of the array is {_shape(part)} long, and the first is {_shape(parts[0])}",
                    part.span,
                    hint=f"write as many as in the first row, {_shape(parts[0])}",
                    also=(("the first row", parts[0].span),),
                )
        try:
            return Piece("array row", Rows.of([part.value for part in parts], "a"), _covering(opening, pieces[-1]))
        except TokenError as misread:
            raise _misread(misread, opening.span) from None

    def array(self, pieces: list[Piece]) -> Piece:
        rows = self.array_row(pieces)
        return Piece("form", make_array(rows.value), rows.span)

    def matrix(self, pieces: list[Piece]) -> Piece:
        rows = pieces[0]
        try:
            return Piece("form", make_matrix(rows.value), rows.span)
        except TokenError as misread:
            raise _misread(misread, rows.span) from None


def _misread(misread: TokenError, span: Span) -> SnError:
    """The error for what was misread in a token or matrix at `span`."""
    end = span.end if misread.end is None else span.start + misread.end
    return fail(misread.message, Span(span.source, span.start + misread.start, end), hint=misread.hint)


def _shape(rows: Piece) -> str:
    return " x ".join(str(size) for size in rows.value.shape)


def _one_by_one(piece: Piece) -> Iterable[Piece]:
    """Return the elements of an ELEMENTS as pieces of their own; any other piece as it is."""
    if piece.type != "ELEMENTS":
        return (piece,)
    first, last = piece.value
    last.cdr = NIL
    return [Piece("form", cell.car, cell.at) for cell in first.cells()]


def _first_number(part: Piece) -> Span:
    """Return the place of the first number of a NUMBERS; of any other piece its own."""
    first = NUMBER.match(part.span.source.text, part.span.start) if part.type == "NUMBERS" else None
    return part.span if first is None else Span(part.span.source, *first.span())


@dataclass(frozen=True)
class _Grammar:
    """The parser of the grammar, and its terminals as patterns that read from any place of a text.

    Lark's own lexer makes the same tokens and takes three times as long: it counts the lines, and makes each token a
    text with eight fields. `token` matches what is ignored and then a token, in a group of its name. `numbers` matches
    what is ignored and then the numbers up to the first other token or comment, in group 1.
    """

    parser: Lark
    ignored: re.Pattern[str]
    token: re.Pattern[str]
    numbers: re.Pattern[str]


class _Work:
    """A form while it is read: what is open in it, and the parser, which gets all that is not left to the reader."""

    def __init__(self) -> None:
        self.opened: list[_Open] = []
        self.may_complete = False  # a matrix or an array is complete, and the parser looks at it with the next token
        self._parser: InteractiveParser | None = None

    def feed(self, piece: Piece) -> None:
        """Give the parser a piece, and before it all that was left to the reader. SnError if it cannot follow."""
        if self._parser is None:
            self._parser = _grammar().parser.parse_interactive()
        level = len(self.opened)
        while level > 0 and not self.opened[level - 1].fed:
            level -= 1
        for one in self.opened[max(level - 1, 0) :]:
            if not one.fed:
                self._feed(one.piece)
                one.fed = True
            if one.first is not None and one.last is not None:
                span = Span(piece.span.source, one.first.at.start, one.last.at.end)  # type: ignore[union-attr]
                self._feed(Piece("ELEMENTS", (one.first, one.last), span))
                one.first = one.last = None
        self.may_complete = False
        self._feed(piece)

    def _feed(self, piece: Piece) -> None:
        try:
            self._parser.feed_token(piece)  # type: ignore[union-attr, arg-type]
        except UnexpectedToken:
            raise _misplaced(piece, [one.piece for one in self.opened]) from None

    def after_form(self) -> Piece | None:
        """Take the signs before a form as complete with it; the whole form, if nothing is open then."""
        while self.opened and self.opened[-1].piece.type in _PREFIXES:
            self.opened.pop()
        return None if self.opened else self._parser.feed_eof()  # type: ignore[union-attr]


@cache
def _grammar() -> _Grammar:
    """The tables of the grammar: built once a process, in a few hundredths of a second, and kept nowhere else."""
    text = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    parser = Lark(
        text,
        start="form",
        parser="lalr",
        lexer="basic",
        keep_all_tokens=True,
        transformer=_Builder(),
        maybe_placeholders=False,
    )
    written = {terminal.name: terminal.pattern.to_regexp() for terminal in parser.terminals}
    ignored = f"(?:{'|'.join(written[name] for name in parser.ignore_tokens)})*+"
    # Of several terminals that match at one place, the first of this order is the token: it is that of Lark.
    order = sorted(parser.terminals, key=lambda t: (-t.priority, -t.pattern.max_width, -len(t.pattern.value), t.name))
    tokens = "|".join(f"(?P<{t.name}>{written[t.name]})" for t in order if t.name not in parser.ignore_tokens)
    numbers = f"({written['NUMBER']}(?:{written['BLANK']}{written['NUMBER']})*+)"
    return _Grammar(parser, re.compile(ignored), re.compile(f"{ignored}(?:{tokens})"), re.compile(ignored + numbers))


class FormReader:
    """Reads the form at an offset of a text. Text behind the form is not looked at, so it may be anything."""

    def __init__(self, source: Source, limits: Limits = DEFAULT, warn: Warn | None = None):
        """Refuses a text over `limits.source_bytes`, before anything of it is read."""
        text = source.text
        too_large = exceeds_source(len(text) if text.isascii() else len(text.encode("utf-8", "replace")), limits)
        if too_large:
            raise fail(
                f"{source.name}: {too_large}",
                None,
                hint='split it into files, and put them together by (include "F.sn")',
            )
        self._source = source
        self._limits = limits
        self._warn = warn or (lambda fault: None)
        self._at = 0  # the offset behind the last token
        self._symbols: dict[str, Form] = {}  # by how they are written

    def read(self, offset: int = 0) -> tuple[Form, Span, int] | None:
        """The form that begins at `offset` or behind it, its place and the offset behind it; None at the end.

        Stray `)` before the form are skipped with one warning for each run of them. SnError if there is no form.
        """
        self._at = offset
        first = self._skip_stray(self._token())
        if first is None:
            return None
        piece = self._piece(first) if first.type in _ATOMS else self._form(first)
        return piece.value, piece.span, piece.span.end

    def tokens(self) -> Iterator[Piece]:
        """All tokens of the text, whether they make forms or not; their values are texts."""
        self._at = 0
        return self._rest()

    def _rest(self) -> Iterator[Piece]:
        while (token := self._token()) is not None:
            yield token

    def _token(self) -> Piece | None:
        text = self._source.text
        match = _grammar().token.match(text, self._at)
        if match is None:
            ignored = _grammar().ignored.match(text, self._at)
            end = self._at if ignored is None else ignored.end()
            if end < len(text):
                raise self._unreadable(end)
            return None
        kind = match.lastgroup
        assert kind is not None
        start, self._at = match.span(kind)
        return Piece(kind, match[kind], Span(self._source, start, self._at))

    def _numbers(self) -> Piece | None:
        """Read the numbers of a matrix that stand here side by side, as one NUMBERS with their list; None for none."""
        match = _grammar().numbers.match(self._source.text, self._at)
        if match is None:
            return None
        start, self._at = match.span(1)
        try:
            numbers = [*map(float, match[1].split())]
        except ValueError:  # 0x1A
            numbers = [INFINITY]
        if INFINITY in numbers or -INFINITY in numbers:  # one that is too large, or 1e999
            numbers = self._numbers_up_to_fault(match[1], start)
        return Piece("NUMBERS", numbers, Span(self._source, start, self._at))

    def _numbers_up_to_fault(self, written: str, start: int) -> list[float]:
        """Read the numbers of a matrix up to the first that is no number after all, which is then the next."""
        numbers: list[float] = []
        for match in re.finditer(r"\S+", written):
            span = Span(self._source, start + match.start(), start + match.end())
            try:
                numbers.append(self._value("NUMBER", match[0], span))
            except SnError:
                if not numbers:
                    raise
                self._at = span.start
                break
        return numbers

    def _skip_stray(self, token: Piece | None) -> Piece | None:
        if token is None or token.type != "CLOSE":
            return token
        first, count = token, 0
        while token is not None and token.type == "CLOSE":
            last, count = token, count + 1
            token = self._token()
        what = "this ) closes nothing" if count == 1 else f"these {count} ) close nothing"
        self._warn(
            Fault(
                f"{what} and {'is' if count == 1 else 'are'} skipped",
                _covering(first, last),
                hint="take it out, or look for a ( that is missing above",
                severity="warning",
            )
        )
        return token

    def _form(self, token: Piece | None) -> Piece:
        """Read the form that begins with `token`.

        Lists of atoms and of such lists are put together in `_plain`, which is quick. Everything else goes through the
        parser, and so do the lists in which it stands.
        """
        work = _Work()
        while True:
            if token is None:
                raise self._unclosed([one.piece for one in work.opened])
            if token.type == "CLOSE" and work.opened and not work.opened[-1].fed:
                form = self._close(work, token)
            else:
                form = self._take(work, token)
            if form is not None:
                return form
            inside = work.opened[-1]
            if inside.piece.type == "MATRIX":
                while (run := self._numbers()) is not None:
                    work.feed(run)
            elif inside.takes_elements and not work.may_complete:
                self._plain(work.opened)
            token = self._token()

    def _take(self, work: _Work, token: Piece) -> Piece | None:
        """Give a token to the parser; the form, if it ends with it."""
        opened = work.opened
        inside = opened[-1] if opened else None
        if token.type == "MATRIX" and token.value == "[" and inside is not None and inside.piece.type in _ARRAYS:
            token.type = "ARRAY_ROW"
        kind, context = token.type, _OUTSIDE if inside is None else inside.context
        if kind in ("COMMA", "SPLICE") and not context.allows_comma:
            raise fail(
                f"a comma under ' computes nothing: '...{token.value}", token.span, hint="write ` in place of the '"
            )
        piece = self._piece(token)
        is_plain = (
            kind == "OPEN"
            and not work.may_complete
            and (inside is None or inside.takes_elements or inside.piece.type in _PREFIXES)
        )
        if not is_plain:
            work.feed(piece)
        if kind in _OPENERS or kind in _PREFIXES:
            opened.append(
                _Open(
                    piece,
                    context.inside(_PREFIXES[kind]) if kind in _PREFIXES else context,
                    kind in _OPENERS and kind != "MATRIX",
                    not is_plain,
                )
            )
            self._check_nesting(opened)
        elif kind == "DOT":
            opened[-1].takes_elements = False
        else:
            if kind in _CLOSERS:
                opened.pop()
                work.may_complete = kind != "CLOSE"
            return work.after_form()
        return None

    def _plain(self, opened: list[_Open]) -> None:
        """Read atoms, and lists of atoms and of such lists, as elements of the innermost list that is open.

        Stops before any other token, and before the ) of a list that the parser knows or that is no element.
        """
        source, text, symbols = self._source, self._source.text, self._symbols
        match_token = _grammar().token.match
        inside, at = opened[-1], self._at
        while (match := match_token(text, at)) is not None:
            kind = match.lastgroup
            assert kind is not None
            start, end = match.span(kind)
            if kind in _ATOMS:
                at = end
                span = Span(source, start, end)
                written = match[kind]
                value = symbols.get(written) if kind == "SYMBOL" else None
                if value is None:
                    value = self._value(kind, written, span)
            elif kind == "OPEN":
                at = end
                inside = _Open(Piece(kind, "(", Span(source, start, end)), inside.context, True, False)
                opened.append(inside)
                self._check_nesting(opened)
                continue
            elif (
                kind == "MATRIX"
                and inside.piece.type == "OPEN"
                and (matrix := self._matrix(start, self._limits.nesting - len(opened))) is not None
            ):
                at = matrix.span.end
                value, span = matrix.value, matrix.span
            elif kind == "CLOSE" and not inside.fed and len(opened) > 1 and opened[-2].takes_elements:
                at = end
                span = Span(source, inside.piece.span.start, end)
                value = inside.first
                if value is not None:
                    value.span = span
                opened.pop()
                inside = opened[-1]
            else:
                break
            cell = Pair(value, NIL, span)
            inside.add(cell)
        self._at = at

    def _matrix(self, at: int, levels: int) -> Piece | None:
        """Return the matrix that begins at `at`, of at most `levels` dimensions.

        None if it has a fault: the parser then reads the matrix again and reports the fault.
        """
        source, text, start = self._source, self._source.text, at
        match_token = _grammar().token.match
        opened: list[tuple[str, list[Form]]] = []  # the letters of each row that is open, and what is in it
        self._at = at
        while True:
            token = match_token(text, self._at)
            kind = None if token is None else token.lastgroup
            if token is None or kind not in ("MATRIX", "MATRIX_CLOSE"):
                return None
            self._at = token.end()
            if kind == "MATRIX":
                letters = token[kind][1:]
                if opened and (letters or (opened[-1][1] and not isinstance(opened[-1][1][0], Rows))):
                    return None
                if len(opened) == levels:
                    return None
                opened.append((letters, []))
                try:
                    while (run := self._numbers()) is not None:
                        opened[-1][1].extend(run.value)
                except SnError:
                    return None
                continue
            letters, parts = opened.pop()
            if not parts or (isinstance(parts[0], Rows) and any(part.shape != parts[0].shape for part in parts)):
                return None
            try:
                rows = Rows.of(parts, letters)
                if not opened:
                    return Piece("form", make_matrix(rows), Span(source, start, self._at))
            except TokenError:
                return None
            opened[-1][1].append(rows)

    def _close(self, work: _Work, token: Piece) -> Piece | None:
        """End a list that the parser was not given; the form, if it ends with it."""
        opened = work.opened
        closed = opened.pop()
        span = _covering(closed.piece, token)
        if closed.first is not None:
            closed.first.span = span
        form = Piece("LIST", closed.first, span)
        if not opened:
            return form
        if opened[-1].takes_elements:
            opened[-1].add(Pair(form.value, NIL, span))
            return None
        work.feed(form)
        return work.after_form()

    def _check_nesting(self, opened: list[_Open]) -> None:
        if len(opened) > self._limits.nesting:
            raise fail(
                f"more than {self._limits.nesting} lists stand inside one another",
                opened[-1].piece.span,
                hint="close some before, or build the inner lists with functions: (setq a (list b c))",
                also=(("the outermost", opened[0].piece.span),),
            )

    def _piece(self, token: Piece) -> Piece:
        """The token with the value it stands for."""
        if token.type in _ATOMS:
            token.value = self._value(token.type, token.value, token.span)
        return token

    def _value(self, kind: str, written: str, span: Span) -> Form:
        """The value that an atom stands for."""
        try:
            value = _ATOMS[kind](written)
        except TokenError as misread:
            raise _misread(misread, span) from None
        if kind == "SYMBOL":
            self._symbols[written] = value
        elif kind == "SCOPE":
            value.span = span
        return value

    def _unclosed(self, opened: list[Piece]) -> SnError:
        """The text ended inside a form: the outermost bracket is the one that is never closed."""
        self._at = opened[0].span.end
        break_in = next((piece for piece in self._rest() if piece.type == "OPEN" and piece.span.column == 1), None)
        brackets = [piece for piece in opened if piece.type in _OPENERS]
        if not brackets:
            return UnfinishedFormError(_nothing_behind(opened[0]))
        first, last = brackets[0], brackets[-1]
        sign = {"OPEN": "(", "HASH": "#["}.get(first.type, "[")
        also = () if last is first else (("the innermost that is open", last.span),)
        if break_in is not None:
            also = (("it takes in this form, which begins a line", break_in.span),)
        ends = "".join({"OPEN": ")", "HASH": "#]"}.get(piece.type, "]") for piece in reversed(brackets))
        return UnfinishedFormError(
            Fault(
                f"this {sign} is never closed",
                first.span,
                hint=f"write {ends} where the form ends"
                if len(ends) <= 20
                else f"write {len(brackets)} closing brackets where the form ends",
                also=also,
            )
        )

    def _unreadable(self, offset: int) -> SnError:
        """No token begins at this offset."""
        text = self._source.text
        sign = text[offset]
        span = Span(self._source, offset, offset + 1)
        if sign == '"':
            return fail(
                "this string is not closed on its line",
                span,
                hint='end it with ", or put a backslash before the end of the line to go on in the next one',
            )
        if sign == "|":
            return fail(
                "this | has no second one on its line",
                span,
                hint="write |NAME| for a name with odd signs, or take the | out",
            )
        if text.startswith("#!", offset):
            return fail("this #! has no !# behind it", span, hint="put !# at the end of the comment: #! COMMENT !#")
        if sign == "\0" or (sign < " " and sign not in "\t\n\r\f\v"):
            return fail(
                f"control character {ord(sign)}: this is no text of SN's Lisp",
                span,
                hint="name a text of Lisp: weights and patterns are read by words such as load-matrix",
            )
        name = unicodedata.name(sign, "") or f"character {ord(sign)}"
        shown = f"{sign} ({name})" if sign.isprintable() and sign != " " else name
        plain = (
            "write a plain blank"
            if unicodedata.category(sign) in ("Zs", "Cf")
            else f'take it out; in a text write "{sign}", in a name |{sign}|'
            if sign.isprintable()
            else "take it out"
        )
        return fail(f"{shown} has no meaning here", span, hint=_OF_THE_PAST.get(sign, plain))


def _nothing_behind(prefix: Piece) -> Fault:
    return Fault(
        f"nothing stands behind this {prefix.value}",
        prefix.span,
        hint=f"write a form behind it, such as {prefix.value}x, or take it out",
    )


def _misplaced(piece: Piece, opened: list[Piece]) -> SnError:
    """The token cannot follow what was read."""
    inside = opened[-1] if opened else None
    also = () if inside is None else (("inside of", inside.span),)
    if inside is not None and inside.type in _ARRAYS and piece.type in _CLOSERS:
        closing = "#]" if inside.type == "HASH" else "]"
        if piece.value == closing:
            return fail(
                "an array has at least one element",
                inside.span,
                hint=f"put one in it, {inside.value} 0{closing}; (matrix n) makes one of n zeros",
            )
        return fail(
            f"a {closing} is missing before this {piece.value}",
            piece.span,
            hint=f"write {closing}{piece.value} here, or take this {piece.value} out",
            also=((f"the {inside.value} that is open", inside.span),),
        )
    if inside is not None and inside.type == "MATRIX":
        if piece.type == "MATRIX_CLOSE":
            return fail(
                "a matrix has at least one element",
                inside.span,
                hint="put numbers in it, [1 2 3]; (matrix n) makes one of n zeros",
            )
        if piece.type == "CLOSE":
            return fail(
                "a ] is missing before this )",
                piece.span,
                hint="write ]) here, or take this ) out",
                also=(("the [ that is open", inside.span),),
            )
        hint = "build a matrix of computed numbers with (matrix ...) and set its elements"
        written = piece.span.source.text[piece.span.start : piece.span.end][:40]
        if (plain := written.translate(_PLAIN)) != written:
            hint = f"write the hyphen of the keyboard for minus: {plain}"
        return fail("a matrix holds numbers only", piece.span, hint=hint, also=also)
    if piece.type == "DOT":
        return fail(
            "a dot stands in a list only, before its last element",
            piece.span,
            hint="write (a . b), or a blank in its place",
            also=also,
        )
    if piece.type in ("MATRIX_CLOSE", "HASH_CLOSE"):
        return fail(
            f"this {piece.value} closes nothing",
            piece.span,
            hint="a list ends with )" if inside else "take it out",
            also=also,
        )
    if inside is not None and inside.type in _PREFIXES:
        return SnError(_nothing_behind(inside))
    return fail(
        "one element, and then ), stands behind a dot",
        piece.span,
        hint="write (a . b), or leave the dot out: (a b c)",
        also=also,
    )


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
    stand between them. SnError at a sign that begins none.
    """
    reader = FormReader(source)
    yield from ((token.type, token.span) for token in reader.tokens())
