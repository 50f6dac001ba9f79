"""Define the words that search a string for all matches of a regular expression.

See docs/reference/sn28.md, section 1.11. A match of no character does not count.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from snsim.language.builtins.arithmetic import whole
from snsim.language.builtins.strings import compile_regex, text
from snsim.language.forms import NIL, Form, make_list
from snsim.language.procedures import ABSENT, CallError, function
from snsim.language.regex import Match

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


@function("regex-extract", interpreter=True)
def regex_extract(interpreter: Interpreter, pattern: Form, string: Form) -> Form:
    """(regex-extract regex string): matches the whole string; returns a list of the texts of the groups

    If the regular expression has no groups, the list holds the whole string. Returns () if it does not match.
    """
    s = text("regex-extract", string, 1)
    match = compile_regex(interpreter, "regex-extract", pattern).whole_match(s)
    return NIL if match is None else _strings(interpreter, "regex-extract", match.groups or (s,))


def _strings(interpreter: Interpreter, name: str, strings: tuple[str, ...]) -> Form:
    interpreter.budget.make_string(sum(map(len, strings)), name)
    return interpreter.new_list(strings, name)


def _matches(
    interpreter: Interpreter, name: str, pattern: Form, string: Form, n: Form = ABSENT
) -> tuple[str, list[Match]]:
    """Return the string, and its matches from left to right, at most n of them."""
    s = text(name, string, 1)
    most = None if n is ABSENT else max(whole(name, n, 2), 0)
    return s, list(islice(compile_regex(interpreter, name, pattern).all_matches(s), most))


@function("regex-rseek", interpreter=True)
def regex_rseek(interpreter: Interpreter, pattern: Form, string: Form, n: Form = ABSENT) -> Form:
    """(regex-rseek regex string [n]): a list of (position length) for each match, at most n of them

    Positions count from 1.
    """
    _, matches = _matches(interpreter, "regex-rseek", pattern, string, n)
    places = [make_list([float(match.start + 1), float(match.end - match.start)]) for match in matches]
    return interpreter.new_list(places, "regex-rseek")


@function("regex-split", interpreter=True)
def regex_split(interpreter: Interpreter, pattern: Form, string: Form, n: Form = ABSENT) -> Form:
    """(regex-split regex string [n]): a list of the texts that match, at most n of them; not the texts between them"""
    s, matches = _matches(interpreter, "regex-split", pattern, string, n)
    return _strings(interpreter, "regex-split", tuple([s[match.start : match.end] for match in matches]))


@function("regex-count", interpreter=True)
def regex_count(interpreter: Interpreter, pattern: Form, string: Form) -> float:
    """(regex-count regex string): the number of matches; a match of no characters does not count"""
    return float(len(_matches(interpreter, "regex-count", pattern, string)[1]))


@function("regex-skip", interpreter=True, makes=True)
def regex_skip(interpreter: Interpreter, pattern: Form, string: Form, n: Form = 1.0) -> Form:
    """(regex-skip regex string [n]): the rest of the string after match n; n = 1, the default, is the first match

    It returns () if there are fewer than n matches.
    """
    count = _nth("regex-skip", n)
    s, matches = _matches(interpreter, "regex-skip", pattern, string, n)
    return s[matches[count - 1].end :] if count <= len(matches) else NIL


@function("regex-tail", interpreter=True, makes=True)
def regex_tail(interpreter: Interpreter, pattern: Form, string: Form, n: Form = 1.0) -> Form:
    """(regex-tail regex string [n]): the end of the string from a match on; n = 1, the default, is the last match

    It returns () if there are fewer than n matches.
    """
    count = _nth("regex-tail", n)
    s, matches = _matches(interpreter, "regex-tail", pattern, string)
    return s[matches[-count].start :] if count <= len(matches) else NIL


def _nth(name: str, n: Form) -> int:
    count = whole(name, n, 2)
    if count < 1:
        raise CallError(f"{name}: matches count from 1, but {count} is given", 2, "write 1 or more")
    return count
