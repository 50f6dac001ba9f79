"""Compute the tables of the grammar with lark, and keep them in snsim/language/grammar.json.

    python tests/grammar_tables.py        writes the tables again, after a change of snsim/language/grammar.lark

`tests/test_reader.py` compares the file with the grammar. snsim itself reads only the tables, as `FormParser` of
snsim/language/parser.py describes them: to load lark and to compute them would take longer than most commands.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from lark import Lark
from lark.parsers.lalr_analysis import Shift

import snsim.language

LANGUAGE = Path(snsim.language.__file__).parent
GRAMMAR, TABLES = LANGUAGE / "grammar.lark", LANGUAGE / "grammar.json"


@cache
def lark_parser() -> Lark:
    """Return lark's own parser of the grammar."""
    text = GRAMMAR.read_text(encoding="utf-8")
    return Lark(text, start="form", parser="lalr", lexer="basic", keep_all_tokens=True, maybe_placeholders=False)


def tables() -> dict[str, Any]:
    """Return the content of grammar.json."""
    lark = lark_parser()
    written = {terminal.name: terminal.pattern.to_regexp() for terminal in lark.terminals}
    ignored = f"(?:{'|'.join(written[name] for name in lark.ignore_tokens)})*+"
    # If several terminals match at one offset, the first of this order is the token, as in lark.
    order = sorted(lark.terminals, key=lambda t: (-t.priority, -t.pattern.max_width, -len(t.pattern.value), t.name))
    tokens = "|".join(f"(?P<{t.name}>{written[t.name]})" for t in order if t.name not in lark.ignore_tokens)
    numbers = f"({written['NUMBER']}(?:{written['BLANK']}{written['NUMBER']})*+)"
    table = lark.parser.parser._parse_table
    rules = list(lark.rules)
    place = {rule: k for k, rule in enumerate(rules)}
    names = _in_order(table.states, table.start_states["form"])
    number = {name: k for k, name in enumerate(names)}
    return {
        "ignored": ignored,
        "token": f"{ignored}(?:{tokens})",
        "numbers": ignored + numbers,
        "start": number[table.start_states["form"]],
        "end": number[table.end_states["form"]],
        "rules": [[r.origin.name, len(r.expansion), int(r.options.expand1)] for r in rules],
        "states": [
            {
                symbol: number[argument] if action is Shift else -1 - place[argument]
                for symbol, (action, argument) in sorted(table.states[name].items())
            }
            for name in names
        ],
    }


def _in_order(states: dict[int, dict[str, tuple[Any, Any]]], start: int) -> list[int]:
    """Return the states as a walk from the first one finds them: lark's numbers differ from process to process."""
    found = [start]
    for state in found:
        for _, (action, argument) in sorted(states[state].items()):
            if action is Shift and argument not in found:
                found.append(argument)
    return found


def text() -> str:
    """Return the text of grammar.json: a line for each rule and each state."""
    lines = []
    for key, value in tables().items():
        if isinstance(value, list):
            inside = ",\n  ".join(json.dumps(item) for item in value)
            lines.append(f' "{key}": [\n  {inside}\n ]')
        else:
            lines.append(f' "{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    TABLES.write_text(text(), encoding="utf-8")
    print(f"{TABLES.name} is written.")
