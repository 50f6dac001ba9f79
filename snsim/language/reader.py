"""Read text to forms, one at a time."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from snsim.errors import Fault, SnError, Source, Span, fail
from snsim.language.forms import BACKQUOTE, NIL, QUOTE, SPLICE, UNQUOTE, Form, Pair, symbol
from snsim.language.limits import DEFAULT, Limits, exceeds_source
from snsim.language.literals import (
    INFINITY,
    NUMBER,
    NestedRows,
    TokenError,
    make_array,
    make_matrix,
    read_code,
    read_number,
    read_scope,
    read_string,
    read_symbol,
)
from snsim.language.parser import FormParser, UnexpectedTokenError, grammar
from snsim.language.quasiquote import QuoteContext
from snsim.language.source_files import is_lush

Warn = Callable[[Fault], None]

_OBSOLETE = {  # characters that SN gave a meaning, and the remedy
    "^": "SN's short commands (^Pname, ^Lfile) were for its prompt: write the full call",
    "#": "a comment goes from ; to the end of its line; C code ends with #}",
}

_BRACE = re.compile("[{}]")
_DASHES = {ord(sign): "-" for sign in "\u2010\u2011\u2012\u2013\u2014\u2212"}  # dashes and the minus sign


class UnfinishedFormError(SnError):
    """Raised when the text ends inside a form. A prompt then reads more of it."""


@dataclass(slots=True)
class Token:
    """A token, or the value of several tokens that the parser reduced."""

    type: str
    value: Any
    span: Span


@dataclass(slots=True)
class _OpenForm:
    """A bracket or a prefix whose form is not complete."""

    token: Token
    context: QuoteContext  # of the forms inside
    takes_elements: bool  # it is a list or an array, and had no dot so far
    fed: bool  # the parser has received it, and everything before it
    first: Pair | None = None  # the first and the last cell of the elements that the parser has not received yet
    last: Pair | None = None

    def add(self, cell: Pair) -> None:
        """Append an element."""
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
    "CODE": read_code,
}
_ARRAYS = {"ARRAY", "ARRAY_ROW", "HASH"}
_OUTSIDE = QuoteContext()  # outside every bracket and prefix
_OPENERS, _CLOSERS = {"OPEN", "SCOPE_OPEN", "MATRIX", *_ARRAYS}, {"CLOSE", "MATRIX_CLOSE", "HASH_CLOSE"}


def _covering(first: Token, last: Token) -> Span:
    return Span(first.span.source, first.span.start, last.span.end)


class _Builder:
    """Build the value of each rule of the grammar. The parser calls a method when its rule is complete.

    Lark's lexer produces the same tokens as `FormReader` and takes three times as long, because it counts lines and
    makes each token an object with eight fields.
    """

    def action(self, rule: str) -> Callable[[list[Token]], Token]:
        """Return the method for a rule."""
        return self._actions[rule]

    def __init__(self) -> None:
        self._actions = {
            "parens": self.parens,
            "scoped": self.scoped,
            "prefixed": self.prefixed,
            "rows": self.rows,
            "array_row": self.array_row,
            "array": self.array,
            "matrix": self.matrix,
        }

    def parens(self, tokens: list[Token]) -> Token:
        span = _covering(tokens[0], tokens[-1])
        inner = tokens[1:-1]
        result: Form = NIL
        if len(inner) > 2 and inner[-2].type == "DOT":
            result = inner[-1].value
            del inner[-2:]
        for token in reversed(inner):
            if token.type == "ELEMENTS":
                first, last = token.value
                last.cdr = result
                result = first
            else:
                result = Pair(token.value, result, token.span)
        if isinstance(result, Pair):
            result.span = span
        return Token("form", result, span)

    def prefixed(self, tokens: list[Token]) -> Token:
        sign, form = tokens
        span = _covering(sign, form)
        return Token("form", Pair(_PREFIXES[sign.type], Pair(form.value, NIL, form.span), sign.span, span), span)

    def scoped(self, tokens: list[Token]) -> Token:
        opening, slots = tokens[0], tokens[-1]
        colon, start = opening.span, opening.span.start + 1
        owner = self.parens([replace(opening, span=replace(colon, start=start)), *tokens[1:-1]])
        span = _covering(opening, slots)
        form = Pair(slots.value.car, Pair(owner.value, slots.value.cdr, owner.span), replace(colon, end=start), span)
        return Token("form", form, span)

    def rows(self, tokens: list[Token]) -> Token:
        opening, parts = tokens[0], tokens[1:-1]
        for part in parts:
            if part.type != parts[0].type:
                raise fail(
                    "rows and numbers are mixed in a matrix",
                    _first_number(part),
                    hint="put every number of a row between [ and ]",
                    also=(("the matrix", opening.span),),
                )
            if part.type == "rows" and part.value.shape != parts[0].value.shape:
                raise fail(
                    f"this row of the matrix has shape {_shape(part)}, and the first row {_shape(parts[0])}",
                    part.span,
                    hint=f"write {_shape(parts[0])} numbers, as in the first row",
                    also=(("the first row", parts[0].span),),
                )
            if part.type == "rows" and part.value.letters:
                raise fail(
                    "the type letter of a matrix belongs to its outermost bracket",
                    part.span,
                    hint=f"write [{part.value.letters} at the outermost bracket, and [ at the rows",
                    also=(("the matrix", opening.span),),
                )
        values = [part.value for part in parts]
        if parts[0].type == "NUMBERS":
            values = [number for run in values for number in run] if len(values) > 1 else values[0]
        try:
            rows = NestedRows.of(values, opening.value[1:])
        except TokenError as error:
            raise _user_error(error, opening.span) from None
        return Token("rows", rows, _covering(opening, tokens[-1]))

    def array_row(self, tokens: list[Token]) -> Token:
        opening, parts = tokens[0], [part for token in tokens[1:-1] for part in _one_by_one(token)]
        for part in parts:
            if (part.type == "array row") is not (parts[0].type == "array row"):
                raise fail(
                    "rows and elements are mixed in an array",
                    part.span,
                    hint="put the elements of a row between [ and ]",
                    also=(("the array", opening.span),),
                )
            if part.type == "array row" and part.value.shape != parts[0].value.shape:
                raise fail(
                    f"this row of the array has shape {_shape(part)}, and the first row {_shape(parts[0])}",
                    part.span,
                    hint=f"write {_shape(parts[0])} elements, as in the first row",
                    also=(("the first row", parts[0].span),),
                )
        try:
            return Token(
                "array row", NestedRows.of([part.value for part in parts], "a"), _covering(opening, tokens[-1])
            )
        except TokenError as error:
            raise _user_error(error, opening.span) from None

    def array(self, tokens: list[Token]) -> Token:
        rows = self.array_row(tokens)
        return Token("form", make_array(rows.value), rows.span)

    def matrix(self, tokens: list[Token]) -> Token:
        rows = tokens[0]
        try:
            return Token("form", make_matrix(rows.value), rows.span)
        except TokenError as error:
            raise _user_error(error, rows.span) from None


def _user_error(error: TokenError, span: Span) -> SnError:
    """Return the user's error for a faulty token or matrix at `span`."""
    end = span.end if error.end is None else span.start + error.end
    return fail(error.message, Span(span.source, span.start + error.start, end), hint=error.hint)


def _shape(rows: Token) -> str:
    return " x ".join(str(size) for size in rows.value.shape)


def _one_by_one(token: Token) -> Iterable[Token]:
    """Return the elements of an ELEMENTS token as tokens of their own; any other token as it is."""
    if token.type != "ELEMENTS":
        return (token,)
    first, last = token.value
    last.cdr = NIL
    return [Token("form", cell.car, cell.at) for cell in first.cells()]


def _first_number(part: Token) -> Span:
    """Return the place of the first number of a NUMBERS token; of any other token its own place."""
    first = NUMBER.match(part.span.source.text, part.span.start) if part.type == "NUMBERS" else None
    return part.span if first is None else Span(part.span.source, *first.span())


class _FormInProgress:
    """A form that is being read: its open brackets, and the parser for all that the fast path cannot read."""

    def __init__(self) -> None:
        self.opened: list[_OpenForm] = []
        self.may_complete = False  # a matrix or array has ended; the parser reduces it when it gets the next token
        self._parser: FormParser[Token] | None = None

    def feed(self, token: Token) -> None:
        """Pass a token to the parser, after all that the fast path kept back. SnError if it cannot follow."""
        if self._parser is None:
            self._parser = FormParser(_Builder().action)
        level = len(self.opened)
        while level > 0 and not self.opened[level - 1].fed:
            level -= 1
        for form in self.opened[max(level - 1, 0) :]:
            if not form.fed:
                self._feed(form.token)
                form.fed = True
            if form.first is not None and form.last is not None:
                span = Span(token.span.source, form.first.at.start, form.last.at.end)  # type: ignore[union-attr]
                self._feed(Token("ELEMENTS", (form.first, form.last), span))
                form.first = form.last = None
        self.may_complete = False
        self._feed(token)

    def _feed(self, token: Token) -> None:
        try:
            self._parser.feed(token)  # type: ignore[union-attr]
        except UnexpectedTokenError:
            raise _misplaced(token, [form.token for form in self.opened]) from None

    def after_form(self) -> Token | None:
        """Close the prefixes before a completed form. Return the whole form if nothing is open any more."""
        while self.opened and self.opened[-1].token.type in _PREFIXES:
            self.opened.pop()
        return None if self.opened else self._parser.finish()  # type: ignore[union-attr]


class FormReader:
    """Read the form at an offset of a text. The text after the form may be anything: it is not read."""

    def __init__(self, source: Source, limits: Limits = DEFAULT, warn: Warn | None = None):
        """Raise SnError for a text over `limits.source_bytes`, before reading anything of it."""
        text = source.text
        too_large = exceeds_source(len(text) if text.isascii() else len(text.encode("utf-8", "replace")), limits)
        if too_large:
            raise fail(
                f"{source.name}: {too_large}",
                None,
                hint='split it into several files joined by (include "F.sn")',
            )
        self._source = source
        self._limits = limits
        self._warn = warn or (lambda fault: None)
        self._at = 0  # the offset after the last token
        self._symbols: dict[str, Form] = {}  # by spelling
        self._skips_brace_text, self._skipped_brace_text = True, False

    def read(self, offset: int = 0) -> tuple[Form, Span, int] | None:
        """Return the next form from `offset` on, its place, and the offset after it; None at the end.

        Each run of stray `)` before the form is skipped with one warning. SnError if there is no form.
        """
        self._at = offset
        first = self._skip_stray(self._token())
        if first is None:
            return None
        token = self._with_value(first) if first.type in _ATOMS else self._form(first)
        return token.value, token.span, token.span.end

    def tokens(self) -> Iterator[Token]:
        """Yield all tokens of the text, whether they make forms or not; their values are texts."""
        self._at, self._skips_brace_text = 0, False
        return self._rest()

    def _rest(self) -> Iterator[Token]:
        while (token := self._token()) is not None:
            yield token

    def _token(self) -> Token | None:
        text = self._source.text
        while (match := grammar().token.match(text, self._at)) is None:
            ignored = grammar().ignored.match(text, self._at)
            end = self._at if ignored is None else ignored.end()
            if end == len(text):
                return None
            if text[end] != "{" or not self._skips_brace_text:
                raise self._unreadable(end)
            self._at = self._after_brace_text(end)
        kind = match.lastgroup
        assert kind is not None
        start, self._at = match.span(kind)
        return Token(kind, match[kind], Span(self._source, start, self._at))

    def _after_brace_text(self, start: int) -> int:
        """Return the offset after the brace text at `start`, which SN's help reads; warn at the first one of a text."""
        depth = 0
        for match in _BRACE.finditer(self._source.text, start):
            depth += 1 if match[0] == "{" else -1
            if depth == 0:
                if not self._skipped_brace_text:
                    self._skipped_brace_text = True
                    self._warn(
                        Fault(
                            "the text in braces is skipped, as any other after it: SN's help formatted it",
                            Span(self._source, start, match.end()),
                            hint="take it out, or write it as comments: ; text",
                            severity="warning",
                        )
                    )
                return match.end()
        raise fail(
            "this { has no matching }", Span(self._source, start, start + 1), hint="write } at the end of the text"
        )

    def _numbers(self) -> Token | None:
        """Read adjacent numbers of a matrix as one NUMBERS token with their list; None if there is none here."""
        match = grammar().numbers.match(self._source.text, self._at)
        if match is None:
            return None
        start, self._at = match.span(1)
        try:
            numbers = [*map(float, match[1].split())]
        except ValueError:  # 0x1A
            numbers = [INFINITY]
        if INFINITY in numbers or -INFINITY in numbers:  # a number that is too large, or 1e999
            numbers = self._numbers_up_to_fault(match[1], start)
        return Token("NUMBERS", numbers, Span(self._source, start, self._at))

    def _numbers_up_to_fault(self, written: str, start: int) -> list[float]:
        """Read the numbers of a matrix up to the first faulty one, which becomes the next token."""
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

    def _skip_stray(self, token: Token | None) -> Token | None:
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

    def _form(self, token: Token | None) -> Token:
        """Read the form that begins with `token`.

        `_read_elements` reads lists of atoms and of such lists quickly. Everything else goes through the parser,
        as do the lists that contain it.
        """
        progress = _FormInProgress()
        while True:
            if token is None:
                raise self._unclosed([form.token for form in progress.opened])
            if token.type == "CLOSE" and progress.opened and not progress.opened[-1].fed:
                form = self._close(progress, token)
            else:
                form = self._accept(progress, token)
            if form is not None:
                return form
            inside = progress.opened[-1]
            if inside.token.type == "MATRIX":
                while (run := self._numbers()) is not None:
                    progress.feed(run)
            elif inside.takes_elements and not progress.may_complete:
                self._read_elements(progress.opened)
            token = self._token()

    def _accept(self, progress: _FormInProgress, token: Token) -> Token | None:
        """Pass a token to the parser. Return the form if the token completes it."""
        opened = progress.opened
        inside = opened[-1] if opened else None
        if token.type == "MATRIX" and token.value == "[" and inside is not None and inside.token.type in _ARRAYS:
            token.type = "ARRAY_ROW"
        kind, context = token.type, _OUTSIDE if inside is None else inside.context
        if kind in ("COMMA", "SPLICE") and not context.allows_comma:
            raise fail(
                f"a comma has no effect after a quote: '...{token.value}", token.span, hint="write ` in place of the '"
            )
        token = self._with_value(token)
        is_plain = (
            kind == "OPEN"
            and not progress.may_complete
            and (inside is None or inside.takes_elements or inside.token.type in _PREFIXES)
        )
        if not is_plain:
            progress.feed(token)
        if kind in _OPENERS or kind in _PREFIXES:
            opened.append(
                _OpenForm(
                    token,
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
                if opened.pop().token.type == "SCOPE_OPEN":
                    progress.feed(self._slots(token))
                progress.may_complete = kind != "CLOSE"
            return progress.after_form()
        return None

    def _slots(self, closing: Token) -> Token:
        """Return the token `:s` that must follow the ) of `:(o)`."""
        token = self._token()
        if token is None or token.type != "SCOPE" or token.span.start != closing.span.end:
            raise fail(
                "the name of a slot must follow this )",
                closing.span,
                hint="write :(object):slot for the slot of a computed object",
            )
        return self._with_value(token)

    def _read_elements(self, opened: list[_OpenForm]) -> None:
        """Read atoms, and lists of atoms and of such lists, as elements of the innermost open list.

        Stop before any other token, and before the ) of a list that the parser knows or that is no element.
        """
        source, text, symbols = self._source, self._source.text, self._symbols
        match_token = grammar().token.match
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
                inside = _OpenForm(Token(kind, "(", Span(source, start, end)), inside.context, True, False)
                opened.append(inside)
                self._check_nesting(opened)
                continue
            elif (
                kind == "MATRIX"
                and inside.token.type == "OPEN"
                and (matrix := self._matrix(start, self._limits.nesting - len(opened))) is not None
            ):
                at = matrix.span.end
                value, span = matrix.value, matrix.span
            elif kind == "CLOSE" and not inside.fed and len(opened) > 1 and opened[-2].takes_elements:
                at = end
                span = Span(source, inside.token.span.start, end)
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

    def _matrix(self, at: int, levels: int) -> Token | None:
        """Return the matrix that begins at `at`, of at most `levels` dimensions.

        None if it is faulty: the parser then reads the matrix again and reports the fault.
        """
        source, text, start = self._source, self._source.text, at
        match_token = grammar().token.match
        opened: list[tuple[str, list[Form]]] = []  # for each open row its letters and its contents
        self._at = at
        while True:
            token = match_token(text, self._at)
            kind = None if token is None else token.lastgroup
            if token is None or kind not in ("MATRIX", "MATRIX_CLOSE"):
                return None
            self._at = token.end()
            if kind == "MATRIX":
                letters = token[kind][1:]
                if opened and (letters or (opened[-1][1] and not isinstance(opened[-1][1][0], NestedRows))):
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
            if not parts or (isinstance(parts[0], NestedRows) and any(part.shape != parts[0].shape for part in parts)):
                return None
            try:
                rows = NestedRows.of(parts, letters)
                if not opened:
                    return Token("form", make_matrix(rows), Span(source, start, self._at))
            except TokenError:
                return None
            opened[-1][1].append(rows)

    def _close(self, progress: _FormInProgress, token: Token) -> Token | None:
        """Close a list that the parser has not received. Return the form if it is complete."""
        opened = progress.opened
        closed = opened.pop()
        span = _covering(closed.token, token)
        if closed.first is not None:
            closed.first.span = span
        form = Token("LIST", closed.first, span)
        if not opened:
            return form
        if opened[-1].takes_elements:
            opened[-1].add(Pair(form.value, NIL, span))
            return None
        progress.feed(form)
        return progress.after_form()

    def _check_nesting(self, opened: list[_OpenForm]) -> None:
        if len(opened) > self._limits.nesting:
            raise fail(
                f"more than {self._limits.nesting} lists are nested",
                opened[-1].token.span,
                hint="close some lists earlier, or build the inner lists with functions: (setq a (list b c))",
                also=(("the outermost", opened[0].token.span),),
            )

    def _with_value(self, token: Token) -> Token:
        """Return the token with its value in place of its text."""
        if token.type in _ATOMS:
            token.value = self._value(token.type, token.value, token.span)
        return token

    def _value(self, kind: str, written: str, span: Span) -> Form:
        """Return the value of an atom."""
        try:
            value = _ATOMS[kind](written)
        except TokenError as error:
            raise _user_error(error, span) from None
        if kind == "SYMBOL":
            self._symbols[written] = value
        elif kind in ("SCOPE", "CODE"):
            if kind == "CODE" and not is_lush(self._source):
                raise fail(
                    "C code has no meaning in a program of SN",
                    span,
                    hint="it was for SN's compiler: take it out; a program of Lush has the suffix .lsh",
                )
            value.span = span
        return value

    def _unclosed(self, opened: list[Token]) -> SnError:
        """Return the error for a text that ends inside a form. The outermost bracket is the unclosed one."""
        self._at = opened[0].span.end
        break_in = next((token for token in self._rest() if token.type == "OPEN" and token.span.column == 1), None)
        brackets = [token for token in opened if token.type in _OPENERS]
        if not brackets:
            return UnfinishedFormError(_nothing_after(opened[0]))
        first, last = brackets[0], brackets[-1]
        sign = {"OPEN": "(", "SCOPE_OPEN": ":(", "HASH": "#["}.get(first.type, "[")
        also = () if last is first else (("the innermost that is open", last.span),)
        if break_in is not None:
            also = (("this form, at the beginning of a line, would be inside it", break_in.span),)
        ends = "".join(
            {"OPEN": ")", "SCOPE_OPEN": ")", "HASH": "#]"}.get(token.type, "]") for token in reversed(brackets)
        )
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
        """Return the error for an offset at which no token begins."""
        text = self._source.text
        sign = text[offset]
        span = Span(self._source, offset, offset + 1)
        if sign == '"':
            return fail(
                "this string does not end on its line",
                span,
                hint='end it with ", or put a backslash before the line end to continue in the next line',
            )
        if sign == "|":
            return fail(
                "this | has no matching | on its line",
                span,
                hint="write |NAME| for a name with special characters, or take the | out",
            )
        if text.startswith("#!", offset):
            return fail("this #! has no closing !#", span, hint="put !# at the end of the comment: #! COMMENT !#")
        if sign == "\0" or (sign < " " and sign not in "\t\n\r\f\v"):
            return fail(
                f"control character {ord(sign)}: this is not a program of SN's Lisp",
                span,
                hint="name a program of Lisp; words such as load-matrix read weights and patterns",
            )
        name = unicodedata.name(sign, "") or f"character {ord(sign)}"
        shown = f"{sign} ({name})" if sign.isprintable() and sign != " " else name
        plain = (
            "write a normal space"
            if unicodedata.category(sign) in ("Zs", "Cf")
            else f'take it out; in a string write "{sign}", in a name |{sign}|'
            if sign.isprintable()
            else "take it out"
        )
        return fail(f"{shown} has no meaning here", span, hint=_OBSOLETE.get(sign, plain))


def _nothing_after(prefix: Token) -> Fault:
    return Fault(
        f"nothing follows this {prefix.value}",
        prefix.span,
        hint=f"write a form after it, such as {prefix.value}x, or take it out",
    )


def _misplaced(token: Token, opened: list[Token]) -> SnError:
    """Return the error for a token that cannot follow what was read."""
    inside = opened[-1] if opened else None
    also = () if inside is None else (("inside", inside.span),)
    if inside is not None and inside.type in _ARRAYS and token.type in _CLOSERS:
        closing = "#]" if inside.type == "HASH" else "]"
        if token.value == closing:
            return fail(
                "an array has at least one element",
                inside.span,
                hint=f"put one in it, {inside.value} 0{closing}; (matrix n) creates one of n zeros",
            )
        return fail(
            f"a {closing} is missing before this {token.value}",
            token.span,
            hint=f"write {closing}{token.value} here, or take this {token.value} out",
            also=((f"the open {inside.value}", inside.span),),
        )
    if inside is not None and inside.type == "MATRIX":
        if token.type == "MATRIX_CLOSE":
            return fail(
                "a matrix has at least one element",
                inside.span,
                hint="put numbers in it, [1 2 3]; (matrix n) creates one of n zeros",
            )
        if token.type == "CLOSE":
            return fail(
                "a ] is missing before this )",
                token.span,
                hint="write ]) here, or take this ) out",
                also=(("the open [", inside.span),),
            )
        hint = "create a matrix of computed numbers with (matrix ...) and set its elements"
        written = token.span.source.text[token.span.start : token.span.end][:40]
        if (plain := written.translate(_DASHES)) != written:
            hint = f"write the hyphen of the keyboard for minus: {plain}"
        return fail("a matrix holds numbers only", token.span, hint=hint, also=also)
    if token.type == "DOT":
        return fail(
            "a dot is allowed inside a list only, before its last element",
            token.span,
            hint="write (a . b), or a space in its place",
            also=also,
        )
    if token.type in ("MATRIX_CLOSE", "HASH_CLOSE"):
        return fail(
            f"this {token.value} closes nothing",
            token.span,
            hint="a list ends with )" if inside else "take it out",
            also=also,
        )
    if inside is not None and inside.type in _PREFIXES:
        return SnError(_nothing_after(inside))
    return fail(
        "exactly one element and then ) must follow a dot",
        token.span,
        hint="write (a . b), or leave the dot out: (a b c)",
        also=also,
    )


def read_forms(source: Source, limits: Limits = DEFAULT, warn: Warn | None = None) -> Iterator[tuple[Form, Span]]:
    """Yield the forms of a text with their places, one at a time, without reading ahead."""
    reader = FormReader(source, limits, warn)
    entry = reader.read(0)
    while entry is not None:
        form, span, offset = entry
        yield form, span
        entry = reader.read(offset)


def read_tokens(source: Source) -> Iterator[tuple[str, Span]]:
    """Yield the tokens of a text in order, each with its type (a terminal of the grammar) and its place.

    Blanks and comments are not tokens. SnError at a character that begins no token.
    """
    reader = FormReader(source)
    yield from ((token.type, token.span) for token in reader.tokens())
