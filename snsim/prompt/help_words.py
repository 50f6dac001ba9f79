"""`help`, `apropos`, and what else is known by name in a session."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from snsim.glossary import names as names
from snsim.language.forms import NIL, QUOTE, Form, Pair, Symbol, fold, symbol
from snsim.language.pretty import pretty
from snsim.language.procedures import CallError, Function, Macro
from snsim.prompt.prompt_word import PROMPT, prompt_form
from snsim.prompt.session import session_of

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_MOST = 60  # names that `apropos` tells
_GENERAL = """\
A form is evaluated as soon as its last bracket is closed; = shows its value. Names complete with Tab, Ctrl-R seeks in
what was typed before, Ctrl-C breaks off, Ctrl-D leaves.

  (load "nets/lecun89.sn")     read a file; (declared) lists what there is, (show 'lecun89) describes one
  (train-now 'lecun89 1)       a pass; (train-now) all that are left, Ctrl-C stops between passes
  (perf) (misses)              how well it does, and where it is wrong
  (test-pattern 3)             put a pattern in; (state 'h1) the states of a layer, (plot 'maps) all of them
  (weights 'input 'h1)         the weights; (weights 'input 'h1 m) sets them
  (net mine (like lecun89) ..) declare: a name that is taken is replaced, and said
  (save-weights "w.npz") (save-declared "mine.sn")
  (help mask) (apropos toric)  what a name is, and which names there are

{words}

SN-2.8. All its words are there: (build-net ...), (run ...), (forget 1). They act on SN's own net, which they build or
which (use-net 'lecun89) makes of a declared one, with what it has learned; (use-data) gives them its patterns. `perf`,
`state` and `test-pattern` are about the net at hand: that of the last (train-now), or SN's if one was made since.
"""


@prompt_form("help")
def help_(interpreter: Interpreter, form: Pair) -> Form:
    """(help [NAME]): what a name is: syntax, meaning, options, definition; without a name what can be typed here"""
    title = _named(interpreter, form, "help")
    if not title:
        width = max(len(entry.name) for entry in PROMPT) + 2
        listed = "\n".join(f"  {entry.name.ljust(width)}{entry.doc.split('): ', 1)[-1]}" for entry in PROMPT)
        interpreter.print_text(_GENERAL.replace("{words}", "Words of the prompt:\n" + listed))
        return NIL
    parts = list(_meanings(interpreter, title))
    if names.is_known(title):
        told = names.explain(title)
        parts.append(told if not parts or title not in PROMPT else f"In SN-2.8:\n{textwrap.indent(told, '  ')}")
    interpreter.print_text("\n\n".join(parts or [names.explain(title)]) + "\n")
    return NIL


@prompt_form("apropos")
def apropos(interpreter: Interpreter, form: Pair) -> Form:
    """(apropos "TEXT"): every name in which, or in whose line of help, the text stands"""
    wanted = _named(interpreter, form, "apropos")
    if not wanted:
        raise CallError("apropos: a text is wanted", None, 'write (apropos "text")')
    found = [
        (name, what, doc)
        for name, what, doc in everything(interpreter)
        if wanted in name.lower() or wanted in doc.lower()
    ]
    found.sort(key=lambda entry: (wanted not in entry[0], entry[0]))
    if not found:
        interpreter.print_text(f'nothing speaks of "{wanted}"\n')
        return NIL
    width = max(len(f"{name} ({what})") for name, what, _ in found[:_MOST]) + 2
    lines = [f"{name} ({what})".ljust(width) + doc for name, what, doc in found[:_MOST]]
    if len(found) > _MOST:
        lines.append(f"... and {len(found) - _MOST} more")
    interpreter.print_text("\n".join(lines) + "\n")
    return NIL


def everything(interpreter: Interpreter) -> Iterator[tuple[str, str, str]]:
    """Every name that means something here: name, what it is, its line of help. What the session added comes first."""
    session = interpreter.part(session_of)
    for kind, entry in session.declared():
        yield entry.name, kind, entry.doc
    for name in own_functions(interpreter):
        yield name, "function of yours", pretty(session.value_of(name), interpreter.printed).split("\n")[0]
    for entry in PROMPT:
        yield entry.name, "prompt", entry.doc
    for shelf in names.kinds():
        yield from ((entry.name, shelf.name, entry.doc) for entry in shelf.entries() if entry.name not in PROMPT)


def own_functions(interpreter: Interpreter) -> list[str]:
    """The names of the functions and macros that the program defined."""
    session = interpreter.part(session_of)
    return [name for name in interpreter.function_names() if isinstance(session.value_of(name), (Function, Macro))]


def show_other(interpreter: Interpreter, title: str) -> Form:
    """Show what is no net and no training: a table, a function, a variable. CallError if there is no such name."""
    parts = list(_meanings(interpreter, title))
    if not parts:
        known = [entry.name for _, entry in interpreter.part(session_of).declared()]
        raise CallError(
            f'show: nothing declared is called "{title}"',
            0,
            f"declared: {', '.join(known)}" if known else 'declare it first, by (net NAME ...) or (load "FILE.sn")',
        )
    interpreter.print_text("\n\n".join(parts) + "\n")
    return NIL


def _named(interpreter: Interpreter, form: Pair, who: str) -> str:
    """The name behind the word: mask, 'mask or "mask"; "" if there is none."""
    rest = form.cdr
    if rest is NIL:
        return ""
    if not isinstance(rest, Pair) or rest.cdr is not NIL:
        raise CallError(f"{who} takes one name", None, f"write ({who} name)")
    value = rest.car
    if isinstance(value, Pair) and value.car is QUOTE and isinstance(value.cdr, Pair):
        value = value.cdr.car
    if isinstance(value, (Symbol, str)):
        return value.name if isinstance(value, Symbol) else fold(value)
    raise CallError(f"{who}: {interpreter.describe(value)} is no name", 0, f"write ({who} name)")


def _meanings(interpreter: Interpreter, title: str) -> Iterator[str]:
    """What a name means in this session, beside what is built in."""
    session = interpreter.part(session_of)
    entry = PROMPT.entry(title)
    if entry is not None:
        described = getattr(getattr(entry.value, "function", None), "__doc__", None) or entry.doc
        yield f"{title}: word of the prompt\n\n{textwrap.indent(textwrap.dedent(' ' * 4 + described).strip(), '  ')}"
    for kind, found in session.declared():
        if found.name == title:
            place = "" if found.span is None else f"\n\n  declared at {found.span}"
            yield f"{title}: {kind}\n\n  {found.doc}{place}"
    value = session.value_of(title)
    if entry is None and interpreter.is_set(symbol(title)) and not names.is_known(title):
        what = "function" if isinstance(value, (Function, Macro)) else "variable"
        yield f"{title}: {what} of yours\n\n{textwrap.indent(pretty(value, interpreter.printed), '  ')}"
