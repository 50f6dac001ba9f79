"""Parse a form from its tokens: the LALR(1) parser of grammar.lark, with tables that are computed beforehand.

`grammar.json` has the tables. `python tests/grammar_tables.py` writes them with lark, after a change of the grammar;
lark itself is not needed to read a text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

_END = "$END"  # the token after the last one


class _HasType(Protocol):
    """A token: the parser looks at its type only."""

    type: str


T = TypeVar("T", bound=_HasType)


class Grammar(NamedTuple):
    """The tables of the grammar.

    The patterns match at any offset of a text. `token` matches ignored text and then a token, in a group of its name.
    `numbers` matches ignored text and then the numbers up to the first other token or comment, in group 1.

    `rules` have the name, the number of symbols, and whether one symbol stands for itself. A state maps a symbol to the
    next state, or a token to -1 - k if rule k is complete before it. Rules with a name that begins with `_` only
    repeat: their symbols belong to the rule around them.
    """

    ignored: re.Pattern[str]
    token: re.Pattern[str]
    numbers: re.Pattern[str]
    start: int
    end: int
    rules: tuple[tuple[str, int, bool], ...]
    states: tuple[dict[str, int], ...]


@cache
def grammar() -> Grammar:
    """Return the tables of the grammar, read once per process."""
    tables = json.loads(Path(__file__).with_name("grammar.json").read_text(encoding="utf-8"))
    return Grammar(
        re.compile(tables["ignored"]),
        re.compile(tables["token"]),
        re.compile(tables["numbers"]),
        tables["start"],
        tables["end"],
        tuple((name, size, bool(alone)) for name, size, alone in tables["rules"]),
        tuple(tables["states"]),
    )


class UnexpectedTokenError(Exception):
    """The token cannot follow those before it."""


class FormParser(Generic[T]):
    """Parses one form. `actions` are called when their rule is complete, with the tokens and values of its symbols."""

    def __init__(self, actions: Callable[[str], Callable[[list[T]], T]]):
        self._actions = actions
        self._rules, self._table = grammar().rules, grammar().states
        self._states = [grammar().start]
        self._values: list[Any] = []

    def feed(self, token: T) -> None:
        """Take the next token. UnexpectedTokenError if it cannot follow."""
        self._values_until(token.type)
        self._states.append(self._table[self._states[-1]][token.type])
        self._values.append(token)

    def finish(self) -> T:
        """Return the value of the form. UnexpectedTokenError if it is not complete."""
        self._values_until(_END, grammar().end)
        value: T = self._values[-1]
        return value

    def _values_until(self, kind: str, end: int | None = None) -> None:
        """Complete all rules that end before a token of this kind, or reach the state `end`."""
        states, values = self._states, self._values
        while states[-1] != end:
            action = self._table[states[-1]].get(kind)
            if action is None:
                raise UnexpectedTokenError
            if action >= 0:
                return
            name, size, alone = self._rules[-1 - action]
            symbols = values[-size:]
            del states[-size:], values[-size:]
            states.append(self._table[states[-1]][name])
            values.append(self._value(name, symbols, alone))

    def _value(self, name: str, symbols: Sequence[Any], alone: bool) -> Any:
        """Return the value of a rule: a list of its symbols if it only repeats."""
        first = symbols[0]
        if alone and len(symbols) == 1 and not isinstance(first, list):
            return first
        inside = first if isinstance(first, list) else [first]  # extended in place: a list may have a million symbols
        for symbol in symbols[1:]:
            if isinstance(symbol, list):
                inside.extend(symbol)
            else:
                inside.append(symbol)
        return inside if name.startswith("_") else self._actions(name)(inside)
