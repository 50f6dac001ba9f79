"""Define the functions on strings and names (docs/reference/sn28.md, section 1.4). Positions count from 1."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from snsim.language.builtins.arithmetic import whole
from snsim.language.forms import NIL, Form, Symbol, fold, make_list, symbol
from snsim.language.literals import NUMBER, read_number
from snsim.language.printer import brief, number_text
from snsim.language.procedures import ABSENT, CallError, conversion, function
from snsim.language.regex import Regex

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


def text(name: str, x: Form, argument: int | None = 0) -> str:
    """Return x if it is a string; raise CallError otherwise."""
    if isinstance(x, str):
        return x
    raise CallError(f"{name}: {brief(x)} is not a string", argument, conversion(x, "string"))


@function("concat", interpreter=True, makes=True)
def concat(interpreter: Interpreter, *strings: Form) -> str:
    """(concat string...): joins the strings to one string"""
    parts = [text("concat", x, i) for i, x in enumerate(strings)]
    interpreter.budget.check_string(sum(map(len, parts)), "concat")
    return "".join(parts)


@function("left", makes=True)
def left(string: Form, n: Form) -> str:
    """(left string n): the first n characters; the whole string if it is shorter"""
    return text("left", string)[: _count("left", n, 1)]


def _count(name: str, n: Form, argument: int) -> int:
    count = whole(name, n, argument)
    if count < 0:
        raise CallError(
            f"{name}: {count} is not a number of characters", argument, f"write 0 or more, such as {abs(count)}"
        )
    return count


@function("right", makes=True)
def right(string: Form, n: Form) -> str:
    """(right string n): the last n characters; the whole string if it is shorter"""
    s, count = text("right", string), _count("right", n, 1)
    return s[len(s) - min(count, len(s)) :]


@function("mid", makes=True)
def mid(string: Form, start: Form, n: Form = ABSENT) -> str:
    """(mid string start [n]): n characters, default all, from position start on; positions count from 1"""
    s, first = text("mid", string), whole("mid", start, 1)
    if first < 1:
        raise CallError(
            f"mid: positions in a string count from 1, {first} given",
            1,
            "write 1 for the first character: (mid string 1 [n])",
        )
    return s[first - 1 :] if n is ABSENT else s[first - 1 : first - 1 + _count("mid", n, 2)]


@function("index", interpreter=True)
def index(interpreter: Interpreter, part: Form, string: Form, start: Form = 1.0) -> Form:
    """(index part string [start]): the position of the first part at or after start; () if there is none

    Positions count from 1, and start is 1 by default.
    """
    interpreter.budget.walk(len(text("index", string, 1)))
    position = text("index", string, 1).find(text("index", part), max(whole("index", start, 2) - 1, 0))
    return NIL if position < 0 else float(position + 1)


@function("len")
def len_(string: Form) -> float:
    """(len string): the number of characters"""
    return float(len(text("len", string)))


@function("upcase", makes=True)
def upcase(string: Form) -> str:
    """(upcase string): the string in capital letters"""
    return text("upcase", string).upper()


@function("upcase1", makes=True)
def upcase1(string: Form) -> str:
    """(upcase1 string): the string with a capital first letter"""
    s = text("upcase1", string)
    return s[:1].upper() + s[1:]


@function("downcase", makes=True)
def downcase(string: Form) -> str:
    """(downcase string): the string in small letters"""
    return text("downcase", string).lower()


@function("strip", makes=True)
def strip(string: Form) -> str:
    """(strip string): the string without spaces at both ends; it keeps tabs and newlines"""
    return text("strip", string).strip(" ")


@function("isprint")
def isprint(string: Form) -> bool:
    """(isprint string): t if the string has characters and all of them are printable, else ()"""
    s = text("isprint", string)
    return s != "" and s.isprintable()


@function("strins", interpreter=True, makes=True)
def strins(interpreter: Interpreter, string: Form, n: Form, part: Form) -> str:
    """(strins string n part): the string with the part inserted after n characters; at the end if n is out of range"""
    s, at, new = text("strins", string), whole("strins", n, 1), text("strins", part, 2)
    interpreter.budget.check_string(len(s) + len(new), "strins")
    at = at if 0 <= at <= len(s) else len(s)
    return s[:at] + new + s[at:]


@function("strdel", makes=True)
def strdel(string: Form, start: Form, n: Form = ABSENT) -> str:
    """(strdel string start [n]): the string without n characters, default all, from position start on

    Positions count from 1.
    """
    s, first = text("strdel", string), whole("strdel", start, 1)
    if first < 1:
        raise CallError(
            f"strdel: positions in a string count from 1, {first} given",
            1,
            "write 1 for the first character: (strdel string 1 [n])",
        )
    return s[: first - 1] + ("" if n is ABSENT else s[first - 1 + _count("strdel", n, 2) :])


@function("strsubst", interpreter=True, makes=True)
def strsubst(interpreter: Interpreter, string: Form, old: Form, new: Form) -> str:
    """(strsubst string old new): the string with each text old replaced by new, from left to right; old is no regex"""
    s, before, after = (text("strsubst", x, i) for i, x in enumerate((string, old, new)))
    if not before:
        return s
    interpreter.budget.walk(len(s))
    interpreter.budget.check_string(len(s) + s.count(before) * (len(after) - len(before)), "strsubst")
    return s.replace(before, after)


@function("str", makes=True)
def str_(x: Form) -> str:
    """(str x): the number x as a string"""
    if not isinstance(x, float):
        raise CallError(f"str: {brief(x)} is not a number", 0, "write (pname x) for a value of any kind")
    return number_text(x)


@function("val")
def val(string: Form) -> Form:
    """(val string): the number that the string spells; () if it spells none"""
    s = text("val", string).strip()
    return read_number(s) if NUMBER.fullmatch(s) and len(s) < 400 else NIL


@function("pname", interpreter=True, makes=True)
def pname(interpreter: Interpreter, x: Form) -> str:
    """(pname x): any value as a string, as print shows it"""
    return interpreter.printed(x)


@function("nameof", makes=True)
def nameof(name: Form) -> str:
    """(nameof symbol): the name of the symbol, as a string"""
    if not isinstance(name, Symbol):
        raise CallError(
            f"nameof: {brief(name)} is not a symbol",
            0,
            "write a name with a quote, (nameof 'h1); (pname x) takes a value of any kind",
        )
    return name.name


_NO_NAME = {ord("|"): "-", ord("\n"): "-"}


def _symbol(function_name: str, name: str) -> Symbol:
    if "|" in name or "\n" in name:
        raise CallError(
            f"{function_name}: a name must not contain | or a newline",
            0,
            f"write it without them: {brief(name.translate(_NO_NAME))}",
        )
    return symbol(name)


@function("named")
def named(string: Form) -> Symbol:
    """(named string): the symbol whose name is exactly this string, capitals included"""
    return _symbol("named", text("named", string))


@function("namedclean")
def namedclean(string: Form) -> Symbol:
    """(namedclean string): the symbol that the reader makes of the string, with small letters"""
    s = text("namedclean", string)
    return _symbol("namedclean", s[1:].removesuffix("|") if s.startswith("|") else fold(s))


def compile_regex(interpreter: Interpreter, name: str, pattern: Form) -> Regex:
    """Return a compiled regular expression whose work counts as steps of the program."""
    return Regex(text(name, pattern), lambda threads: interpreter.step(1 + threads // 4))


@function("regex-match", interpreter=True)
def regex_match(interpreter: Interpreter, pattern: Form, string: Form) -> bool:
    """(regex-match regex string): t if the regular expression matches the whole string, else ()"""
    return compile_regex(interpreter, "regex-match", pattern).matches(text("regex-match", string, 1))


@function("regex-seek", interpreter=True)
def regex_seek(interpreter: Interpreter, pattern: Form, string: Form, start: Form = 1.0) -> Form:
    """(regex-seek regex string [start]): a list (position length) of the first match at or after start; () if none

    Positions count from 1, and start is 1 by default.
    """
    s, first = text("regex-seek", string, 1), max(whole("regex-seek", start, 2), 1)
    match = compile_regex(interpreter, "regex-seek", pattern).search(s, first - 1)
    return NIL if match is None else make_list([float(match.start + 1), float(match.end - match.start)])


@function("regex-subst", interpreter=True, makes=True)
def regex_subst(interpreter: Interpreter, pattern: Form, replacement: Form, string: Form) -> str:
    """(regex-subst regex new string): the string with each match replaced by new

    In new, %0 is the match, %1 to %9 are its groups, and %% is a percent sign.
    """
    regex, new = compile_regex(interpreter, "regex-subst", pattern), text("regex-subst", replacement, 1)
    s = text("regex-subst", string, 2)
    if "%" in _GROUP.sub("", new):
        raise CallError(
            f"regex-subst: % must be followed by a digit or a %, in {brief(new)}",
            1,
            "write %0 for the whole match, %1 for the first group, %% for a percent sign",
        )
    parts: list[str] = []
    at = length = 0
    while (match := regex.search(s, at)) is not None:
        end = max(match.end, match.start + 1)  # an empty match is not replaced
        put = _substitute(new, match.groups) if match.end > match.start else s[match.start : end]
        parts += [s[at : match.start], put]
        length += len(parts[-2]) + len(put)
        interpreter.budget.check_string(length, "regex-subst")
        at = end
    return "".join([*parts, s[at:]])


_GROUP = re.compile("%([0-9%])")


def _substitute(new: str, groups: tuple[str, ...]) -> str:
    """Return the replacement of a match: `new` with its %0 to %9 filled in."""
    texts = {"%": "%", **{str(i): group for i, group in enumerate(groups)}}
    return _GROUP.sub(lambda match: texts.get(match[1], ""), new)
