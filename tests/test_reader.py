"""The reader and the printer: what is read, what is refused and where, and that printing reads back equal."""

import math

import numpy as np
import pytest
from grammar_tables import TABLES, lark_parser
from grammar_tables import text as grammar_text
from hypothesis import given, settings
from hypothesis import strategies as st
from lark import UnexpectedCharacters

from snsim.errors import SnError, Source, Span
from snsim.language.equality import equal
from snsim.language.forms import NIL, Pair, make_list, symbol
from snsim.language.limits import Limits
from snsim.language.literals import read_code, read_number, read_scope, read_string, read_symbol
from snsim.language.printer import number_text, show
from snsim.language.reader import FormReader, read_forms, read_tokens
from snsim.language.source_files import read_source


def read(text, **options):
    return [form for form, _ in read_forms(Source("t.sn", text), **options)]


def shown(text):
    return " ".join(show(form) for form in read(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+1 .5 1. 1e3 -0x1A 0X1a", "1 0.5 1 1000 -26 26"),
        ("1+ 1- 2* 2/ 0= 0<> -3a 1.2.3 a.b ... m+m", "1+ 1- 2* 2/ 0= 0<> -3a 1.2.3 a.b ... m+m"),
        ("+ - .. 1e 1e+ 0x 0x1g .e5 +.5 -.5e-1 1. 00012 0xff", "+ - .. 1e 1e+ 0x 0x1g .e5 0.5 -0.05 1 12 255"),
        ("1e999 -1e999 1e-400 -0", "1e999 -1e999 0 -0"),
        ("A_B _X_Y __a a_ 'Update_State Kanerva-recall", "a-b _x-y _-a a- 'update-state kanerva-recall"),
        ('a\'b "c"d e"f"g a#b', 'a \'b "c" d e "f" g a#b'),
        ("(a .b) (a. b) (1 .5) (a b . c)", "(a .b) (a. b) (1 0.5) (a b . c)"),
        ("|a b| || |1| |a;b|", "|a b| || |1| |a;b|"),
        ("|A_B| |A_B|_C a|B|", "|A_B| |A_B-c| |aB|"),
        ("(a . b) (a . (b c)) () (a.b)", "(a . b) (a b c) () (a.b)"),
        ("'x `(a ,b ,@c) ,x ,@x , @x", "'x `(a ,b ,@c) ,x ,@x , @x"),
        ("~x ~~x :a :o:Slot :|A b|:c", "(null x) (null (null x)) (scope a) (scope o slot) (scope |A b| c)"),
        ("''a ``a '(quote) '(quote x y) (quote . x)", "''a ``a '(quote) '(quote x y) (quote . x)"),
        ("`(f ',x)", "`(f ',x)"),
        ("a;comment\nb #! shell\nlines !# c #? help\nd", "a b c d"),
        ("a ;one\rb\r\n\fc\td", "a b c d"),
        (
            "[[1 2][3 4]] [f[1][2]] [i 1 -2] [u 255] [@ 3] [f@ .5]",
            "[[1 2] [3 4]] [f[1] [2]] [i 1 -2] [u 255] [@ 3] [f@ 0.5]",
        ),
        ("[-1 +2 0x10;c\n .5] [ [1]\n[2] ] [F 1] [s 1] [b -1] [d 1]", "[-1 2 16 0.5] [[1] [2]] [f 1] [s 1] [b -1] [1]"),
        (r'"a\"b\\\n\x41\101\^A\e\+A"', '"a\\"b\\\\\\nAA\\x01\xff\xc1"'),
        ('"one \\\nline"', '"one line"'),
        ("", ""),
        ("; only a comment", ""),
    ],
)
def test_what_is_read(text, expected):
    assert shown(text) == expected


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("(net a\n  (layer b\n", 1, 1, "this ( is never closed"),
        ("x\n (a [1 2", 2, 2, "this ( is never closed"),
        ("[1 2", 1, 1, "this [ is never closed"),
        ('(a\n "b)', 2, 2, "string does not end"),
        ("(a |b)", 1, 4, "this | has no matching"),
        ("#! a\nb", 1, 1, "no closing !#"),
        ("'(a\n ,b)", 2, 2, "a comma has no effect"),
        ("'`(a ,(b ,c))", 1, 10, "a comma has no effect"),
        ("(a]", 1, 3, "this ] closes nothing"),
        ("[1)", 1, 3, "a ] is missing"),
        ("[1 a]", 1, 4, "holds numbers only"),
        ("[[1 2]\n [3]]", 2, 2, "row of the matrix has shape 1, and the first row 2"),
        ("[1 [2]]", 1, 4, "are mixed"),
        ("[]", 1, 1, "at least one element"),
        ("[q 1]", 1, 1, "no matrix type"),
        ("[b 1 300]", 1, 1, "300 is not a whole number from -128 to 127"),
        ("[" * 40 + "1" + "]" * 40, 1, 8, "at most 32 dimensions"),
        ("(. a)", 1, 2, "a dot is allowed inside a list only"),
        ("(a . b c)", 1, 8, "follow a dot"),
        ("(a ')", 1, 4, "nothing follows this '"),
        ("`", 1, 1, "nothing follows this `"),
        ('(a "b\\qc")', 1, 6, "\\q means nothing in a string"),
        ("a \0 b", 1, 3, "control character 0"),
        ('"\\8"', 1, 2, "\\8 means nothing in a string"),
        ("'", 1, 1, "nothing follows this '"),
        ("(a . b . c)", 1, 8, "a dot is allowed inside a list only"),
        ("(a . )", 1, 6, "follow a dot"),
        ("(a 1e400)", 1, 4, "the number is too large"),
        ("[f 1e300]", 1, 1, "too large for single precision"),
        ("[[1] 2]", 1, 6, "are mixed"),
        ("[[f 1]]", 1, 2, "to its outermost bracket"),
        ("[@ 1 2]", 1, 1, "[@ takes one number"),
        ("[i 1.5]", 1, 1, "1.5 is not a whole number"),
        ("{a", 1, 1, "no matching }"),
        ("^Pf", 1, 1, "CIRCUMFLEX ACCENT"),
        ("#{ c", 1, 1, "NUMBER SIGN"),
        ("(f #{ c #})", 1, 4, "C code has no meaning in a program of SN"),
        (":(a) :b", 1, 4, "the name of a slot must follow"),
        ("(b :(a))", 1, 7, "the name of a slot must follow"),
        (": a", 1, 1, "COLON"),
        ("(a\N{ZERO WIDTH SPACE}b)", 1, 2, "contains an invisible character: ZERO WIDTH SPACE"),
        ("\x1a", 1, 1, "control character 26"),
        ("(a\N{NO-BREAK SPACE}b)", 1, 3, "NO-BREAK SPACE"),
        ("(" * 100_000, 1, 501, "more than 500 lists"),
        ("'" * 100_000, 1, 501, "more than 500 lists"),
    ],
)
def test_what_is_refused_and_where(text, line, column, message):
    with pytest.raises(SnError) as error:
        read(text)
    (fault,) = error.value.faults
    assert message in fault.message
    assert (fault.span.line, fault.span.column) == (line, column)


def test_an_unclosed_form_names_the_form_that_it_takes_in():
    with pytest.raises(SnError) as error:
        read("(net a\n  (layer b 3)\n(net c)\n")
    ((label, place),) = error.value.faults[0].also
    assert "beginning of a line" in label and place.line == 3


def test_stray_parentheses_are_skipped_with_a_warning_for_each_run():
    warnings = []
    assert shown_with(warnings, "a))) b\n ) c") == ["a", "b", "c"]
    assert [(w.span.line, w.span.column, w.severity) for w in warnings] == [(1, 2, "warning"), (2, 2, "warning")]
    assert "3" in warnings[0].message


def shown_with(warnings, text):
    return [show(form) for form in read(text, warn=warnings.append)]


def test_every_pair_knows_its_place():
    ((form, span),) = read_forms(Source("t.sn", "(ab (c 1)\n 'x)"))
    assert span == form.span and (span.start, span.end) == (0, 14)
    places = [(cell.at.line, cell.at.column, cell.at.end - cell.at.start) for cell in form.cells()]
    assert places == [(1, 2, 2), (1, 5, 5), (2, 2, 2)]
    assert form.cdr.car.span == form.cdr.at
    assert form.cdr.cdr.car.cdr.at.column == 3


def test_one_form_is_read_at_a_time():
    reader = FormReader(Source("t.sn", '(a)(b) text that is no form " { ]'))
    assert reader.read(0)[2] == 3
    form, _span, after = reader.read(3)
    assert (show(form), after) == ("(b)", 6)
    assert show(reader.read(0)[0]) == "(a)"
    with pytest.raises(SnError):
        list(read_forms(Source("t.sn", "(a) ]")))
    forms = read_forms(Source("t.sn", "(a) ]"))
    assert show(next(forms)[0]) == "(a)"


def test_a_large_text_is_refused_before_it_is_read():
    with pytest.raises(SnError, match="10,000,000 bytes.*4,000,000"):
        read("(" * 10_000_000)
    with pytest.raises(SnError, match="6 bytes"):
        read("\N{EURO SIGN}\N{EURO SIGN}", limits=Limits(source_bytes=5))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"(a)\n\xff\xfe", ":2:1: "),
        (b"(a \0)", "zero byte"),
        (b"x" * 4_000_001, "4,000,000 is the limit"),
    ],
)
def test_files_that_are_no_texts(tmp_path, content, message):
    path = tmp_path / "f.sn"
    path.write_bytes(content)
    with pytest.raises(SnError, match=message):
        read_source(path)
    with pytest.raises(SnError, match="there is no file.*\n.*f.sn"):
        read_source(tmp_path / "g.sn")
    with pytest.raises(SnError, match="is a folder"):
        read_source(tmp_path)


def test_ends_of_line_of_any_system(tmp_path):
    path = tmp_path / "f.sn"
    path.write_bytes(b"\xef\xbb\xbf; a\r\n(b\r c)")
    assert [span.line for _, span in read_forms(read_source(path))] == [2]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (3.14159, "3.1416"),
        (-2.5, "-2.5"),
        (3.0, "3"),
        (0.00012345, "0.00012345"),
        (1e11, "1e+11"),
        (0.0, "0"),
        (math.nan, "Nan"),
        (math.inf, "Inf"),
        (0.000996027, "0.000996027"),
        (1e10, "10000000000"),
    ],
)
def test_number_format_of_print(number, text):
    assert number_text(number) == text


names = st.text(st.characters(exclude_characters="|\n", exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    [".", "1", "1e5", "-", "a_b", "_a", "A", "@x", "#a", "unquote", "quote", "backquote", "unquote-splice", "0x1"]
)
numbers = st.floats(allow_nan=False)
matrices = st.builds(
    lambda values, kind, column: np.array(values, kind).reshape((-1, 1) if column else (-1,)),
    st.lists(st.integers(0, 100), min_size=1, max_size=5),
    st.sampled_from("dfihbB"),
    st.booleans(),
) | st.floats(allow_nan=False, width=32).map(lambda x: np.array(x, "f"))
atoms = st.none() | names.map(symbol) | numbers | st.text(st.characters(exclude_categories=["Cs"])) | matrices
forms = st.recursive(
    atoms,
    lambda inner: (
        st.builds(make_list, st.lists(inner, max_size=4), st.none() | inner)
        | st.builds(
            lambda head, x: make_list([symbol(head), x]),
            st.sampled_from(["quote", "backquote", "unquote", "unquote-splice"]),
            inner,
        )
    ),
    max_leaves=25,
)


@given(forms)
def test_what_was_printed_reads_back_equal(form):
    (back,) = read(show(form))
    assert equal(back, form)
    if isinstance(form, np.ndarray):
        assert back.dtype == form.dtype


def test_the_tables_are_those_of_the_grammar():
    """After a change of grammar.lark: python tests/grammar_tables.py."""
    assert TABLES.read_text(encoding="utf-8") == grammar_text()


@given(st.text(st.sampled_from(list("()[]'`,@~:|\"\\;#!?.ab_A10-+ex \n\0")) | st.characters()))
def test_any_text_gives_forms_or_a_fault_with_its_place(text):
    try:
        for form in read(text):
            assert equal(read(show(form))[0], form)
    except SnError as error:
        assert all(fault.span is not None for fault in error.faults)


# ---- The same by Lark's own lexer and a reader of a few lines, which takes one token after the other ----------------

ATOMS = {"NUMBER": read_number, "STRING": read_string, "SCOPE": read_scope, "SYMBOL": read_symbol, "CODE": read_code}
SIGNS = {"QUOTE": "quote", "BACKQUOTE": "backquote", "COMMA": "unquote", "SPLICE": "unquote-splice", "TILDE": "null"}
BLANKS = st.sampled_from([" ", "\n", "\t ", " ; a comment (\n", "\n#? help\n", " #! shell !# "])
NUMBERS = st.sampled_from(["1", "-2.5", "+.5", "1e3", "0x1A", "1e999", "-0", "007."])
SINGLE = NUMBERS | st.sampled_from(
    ["a", "A_b", "x|Y z|", ":o:s", "#{ int x[3]; # } #}", '"s\\n"', "()", "1+", "[f 1 2]", "[i@ 3]"]
)


@st.composite
def texts(draw, depth=0):
    """One form without a fault, with blanks and comments in it."""
    kind = draw(st.sampled_from(["single", "list", "list", "scope", "matrix", "array", "dot", "sign"]))
    if kind == "single" or depth == 4:
        return draw(SINGLE)
    if kind == "matrix":
        row = "[" + "".join(draw(NUMBERS) + draw(BLANKS) for _ in range(draw(st.integers(1, 3)))) + "]"
        for _ in range(draw(st.integers(0, 2))):
            row = "[" + (row + draw(BLANKS)) * draw(st.integers(1, 3)) + "]"
        return row
    if kind == "sign":
        return draw(st.sampled_from("'`~")) + draw(texts(depth + 1))
    parts = [draw(texts(depth + 1)) + draw(BLANKS) for _ in range(draw(st.integers(kind != "list", 4)))]
    if kind == "array":
        before, after = draw(st.sampled_from([("[a ", "]"), ("#[", "#]")]))
        return before + "".join(part for part in parts if not part.startswith("[")) + "x " + after
    if kind == "scope":
        return f":({''.join(parts)}):s:t"
    end = f". {draw(texts(depth + 1))}" if kind == "dot" else ""
    return f"({''.join(parts)}{end})"


def told(form, span):
    """A form with the place of everything in it, as nested lists."""
    if isinstance(form, np.ndarray):
        inner = form.tolist() if form.dtype != object else [told(x, None) for x in form.ravel()]
        return [str(form.dtype), form.shape, inner, span and (span.start, span.end)]
    if not isinstance(form, Pair):
        return [form, span and (span.start, span.end)]
    elements, cell = [], form
    while isinstance(cell, Pair):
        elements.append(told(cell.car, cell.at))
        cell = cell.cdr
    return [elements, told(cell, None), form.span and (form.span.start, form.span.end), span and (span.start, span.end)]


def slowly(source, tokens):
    """The form at the head of a list of tokens, which is taken from it, and its place."""
    token = tokens.pop(0)
    place = Span(source, token.start_pos, token.end_pos)
    if token.type in ATOMS:
        form = ATOMS[token.type](token.value)
        if isinstance(form, Pair):
            form.span = place
        return form, place
    if token.type in SIGNS:
        inner, behind = slowly(source, tokens)
        span = Span(source, place.start, behind.end)
        return Pair(symbol(SIGNS[token.type]), Pair(inner, NIL, behind), place, span), span
    parts, is_dotted = [], False
    while tokens[0].type not in ("CLOSE", "MATRIX_CLOSE", "HASH_CLOSE"):
        if tokens[0].type == "DOT":
            tokens.pop(0)
            is_dotted = True
        parts.append(slowly(source, tokens))
    span = Span(source, place.start, tokens.pop(0).end_pos)
    if token.type == "OPEN":
        form = parts.pop()[0] if is_dotted else NIL
        for element, at in reversed(parts):
            form = Pair(element, form, at)
        if form is not NIL:
            form.span = span
        return form, span
    if token.type == "SCOPE_OPEN":
        form = NIL
        for element, at in reversed(parts):
            form = Pair(element, form, at)
        inside = Span(source, span.start + 1, span.end)
        if form is not NIL:
            form.span = inside
        slots = tokens.pop(0)
        scope = read_scope(slots.value)
        span = Span(source, span.start, slots.end_pos)
        return Pair(scope.car, Pair(form, scope.cdr, inside), Span(source, span.start, span.start + 1), span), span
    if token.type in ("ARRAY", "HASH"):
        array = np.empty(len(parts), object)
        array[:] = [element for element, _ in parts]
        return array, span
    kind = {"f": np.float32, "i": np.int32}.get(token.value[1:2], float)
    matrix = np.array([element for element, _ in parts], kind)
    return matrix.reshape(()) if "@" in token.value else matrix, span


@settings(max_examples=300)
@given(texts())
def test_runs_of_atoms_lists_and_matrices_are_read_as_one_by_one(text):
    source = Source("t.lsh", text)
    tokens = list(lark_parser().lex(text))
    assert [(kind, span.start, span.end) for kind, span in read_tokens(source)] == [
        (token.type, token.start_pos, token.end_pos) for token in tokens
    ]
    assert [told(form, span) for form, span in read_forms(source)] == [told(*slowly(source, tokens))]
    assert tokens == []


@given(st.text(st.sampled_from(list("()[]'`,@~:|\"\\;#!?.ab_A10-+ex \n\0^{}\xa0")) | st.characters()))
def test_tokens_are_those_of_the_grammar(text):
    expected = []
    try:
        for token in lark_parser().lex(text):
            expected.append((token.type, token.start_pos, token.end_pos))
    except UnexpectedCharacters as error:
        expected.append(error.pos_in_stream)
    found = []
    try:
        for kind, span in read_tokens(Source("t.sn", text)):
            found.append((kind, span.start, span.end))
    except SnError as error:
        found.append(error.faults[0].span.start)
    assert found == expected


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ('(a [[1 2]\n [3]] "\\q")', 2, 8, "means nothing"),
        ('(a [[1 2]\n [3]] b "\\q")', 2, 2, "row of the matrix has shape 1"),
        ('(a [[1 2]\n [3]] ("\\q"))', 2, 2, "row of the matrix has shape 1"),
        ("(a [[1 2]\n 5 1e400])", 2, 4, "too large"),
        ("(a [1 2 [3]\n])", 1, 9, "are mixed"),
        ("(a (b [1 (2)]))", 1, 10, "numbers only"),
        ("(a (b c (d . e f)))", 1, 16, "follow a dot"),
        ("(a (b c (d ] )))", 1, 12, "closes nothing"),
        ("(a\n(b c)\n(d (e", 1, 1, "never closed"),
    ],
)
def test_of_several_faults_the_first_is_told(text, line, column, message):
    with pytest.raises(SnError) as error:
        read(text)
    fault = error.value.faults[0]
    assert (fault.span.line, fault.span.column) == (line, column) and message in fault.message, fault


def test_deep_and_long_forms_need_no_stack():
    deep, long = NIL, make_list([1.0] * 300_000)
    for _ in range(100_000):
        deep = Pair(deep)
    assert len(show(deep)) == 2 * 100_001 - 2 + 2 and equal(deep, deep)
    assert equal(long, make_list([1.0] * 300_000)) and not equal(long, make_list([1.0] * 299_999))


def test_a_circular_list_is_cut():
    ring = make_list([1.0, 2.0])
    ring.cdr.cdr = ring
    assert show(ring, most=4) == "(1 2 1 2 ...)"
