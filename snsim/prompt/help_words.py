"""Define `help` and `apropos`, and look up names in a session."""

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

_MOST = 60  # names that `apropos` prints
_GENERAL = """\
A form is evaluated as soon as its last bracket is closed; = shows its value. Tab completes names, Ctrl-R searches the
history, Ctrl-C interrupts, Ctrl-D leaves.

    (load "mine.sn")             read a file; (declared) lists what it declares, (show 'mine) describes one
    (train-now 'mine 1)          train one pass; (train-now) all remaining ones, Ctrl-C stops after a pass
    (perf) (misses)              scores, and the patterns that are wrong
    (test-pattern 3)             present a pattern; (state 'h1) the states of a layer, (plot 'maps) of all layers
    (weights 'input 'h1)         the weights; (weights 'input 'h1 m) sets them
    (net next (like mine) ...)   declare a net; a declaration with the same name is replaced
    (save-weights "w.npz") (save-declared "next.sn")
    (help mask) (apropos toric)  explain a name; search all names

{words}

SN-2.8. All its words are available: (build-net ...), (run ...), (forget 1). They act on SN's own net, which they build,
or which (use-net 'mine) makes from a declared one with its weights; (use-data) gives them its patterns. `perf`,
`state` and `test-pattern` use the current net: that of the last (train-now), or SN's if one was made since.
"""


@prompt_form("help")
def help_(interpreter: Interpreter, form: Pair) -> Form:
    """(help [NAME]): explains a name: syntax, meaning, options, definition; without a name, explains the prompt"""
    title = _named(interpreter, form, "help")
    if not title:
        width = max(len(entry.name) for entry in PROMPT) + 2
        listed = "\n".join(f"  {entry.name.ljust(width)}{entry.doc.split('): ', 1)[-1]}" for entry in PROMPT)
        interpreter.print_text(_GENERAL.replace("{words}", "Words of the prompt:\n" + listed))
        return NIL
    parts = list(_meanings(interpreter, title))
    if names.is_known(title):
        explained = names.explain(title)
        parts.append(
            explained if not parts or title not in PROMPT else f"In SN-2.8:\n{textwrap.indent(explained, '  ')}"
        )
    interpreter.print_text("\n\n".join(parts or [names.explain(title)]) + "\n")
    return NIL


@prompt_form("apropos")
def apropos(interpreter: Interpreter, form: Pair) -> Form:
    """(apropos "TEXT"): lists every name whose spelling or help line contains the text"""
    pattern = _named(interpreter, form, "apropos")
    if not pattern:
        raise CallError("apropos: expected a text", None, 'write (apropos "text")')
    matches = [
        (name, what, doc)
        for name, what, doc in everything(interpreter)
        if pattern in name.lower() or pattern in doc.lower()
    ]
    matches.sort(key=lambda entry: (pattern not in entry[0], entry[0]))
    if not matches:
        interpreter.print_text(f'no name or help line contains "{pattern}"\n')
        return NIL
    width = max(len(f"{name} ({what})") for name, what, _ in matches[:_MOST]) + 2
    lines = [f"{name} ({what})".ljust(width) + doc for name, what, doc in matches[:_MOST]]
    if len(matches) > _MOST:
        lines.append(f"... and {len(matches) - _MOST} more")
    interpreter.print_text("\n".join(lines) + "\n")
    return NIL


def everything(interpreter: Interpreter) -> Iterator[tuple[str, str, str]]:
    """Yield every known name with its kind and its help line, those of the session first."""
    session = interpreter.part(session_of)
    for kind, entry in session.declared():
        yield entry.name, kind, entry.doc
    for name in own_functions(interpreter):
        yield name, "function of yours", pretty(session.value_of(name), interpreter.printed).split("\n")[0]
    for entry in PROMPT:
        yield entry.name, "prompt", entry.doc
    for category in names.kinds():
        yield from ((entry.name, category.name, entry.doc) for entry in category.entries() if entry.name not in PROMPT)


def own_functions(interpreter: Interpreter) -> list[str]:
    """Return the names of the functions and macros that the program defined."""
    session = interpreter.part(session_of)
    return [name for name in interpreter.function_names() if isinstance(session.value_of(name), (Function, Macro))]


def show_other(interpreter: Interpreter, title: str) -> Form:
    """Show a table, function or variable. CallError if there is no such name."""
    parts = list(_meanings(interpreter, title))
    if not parts:
        known = [entry.name for _, entry in interpreter.part(session_of).declared()]
        raise CallError(
            f'show: nothing declared is called "{title}"',
            0,
            f"declared: {', '.join(known)}" if known else 'declare one first, with (net NAME ...) or (load "FILE.sn")',
        )
    interpreter.print_text("\n\n".join(parts) + "\n")
    return NIL


def _named(interpreter: Interpreter, form: Pair, caller: str) -> str:
    """Return the name after the word: mask, 'mask or "mask"; "" if there is none."""
    rest = form.cdr
    if rest is NIL:
        return ""
    if not isinstance(rest, Pair) or rest.cdr is not NIL:
        raise CallError(f"{caller} takes one name", None, f"write ({caller} name)")
    value = rest.car
    if isinstance(value, Pair) and value.car is QUOTE and isinstance(value.cdr, Pair):
        value = value.cdr.car
    if isinstance(value, (Symbol, str)):
        return value.name if isinstance(value, Symbol) else fold(value)
    raise CallError(f"{caller}: {interpreter.describe(value)} is not a name", 0, f"write ({caller} name)")


def _meanings(interpreter: Interpreter, title: str) -> Iterator[str]:
    """Yield the meanings of a name in this session, apart from built-in names."""
    session = interpreter.part(session_of)
    entry = PROMPT.entry(title)
    if entry is not None:
        docstring = getattr(getattr(entry.value, "function", None), "__doc__", None) or entry.doc
        yield f"{title}: word of the prompt\n\n{textwrap.indent(textwrap.dedent(' ' * 4 + docstring).strip(), '  ')}"
    for kind, declaration in session.declared():
        if declaration.name == title:
            place = "" if declaration.span is None else f"\n\n  declared at {declaration.span}"
            yield f"{title}: {kind}\n\n  {declaration.doc}{place}"
    value = session.value_of(title)
    if entry is None and interpreter.is_set(symbol(title)) and not names.is_known(title):
        what = "function" if isinstance(value, (Function, Macro)) else "variable"
        yield f"{title}: {what} of yours\n\n{textwrap.indent(pretty(value, interpreter.printed), '  ')}"
