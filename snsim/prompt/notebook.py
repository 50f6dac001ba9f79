"""Evaluate cells of a notebook: `%load_ext snsim.notebook`, then cells that begin with `%%sn`.

All cells form one program, as at the prompt. A cell shows what it declares; a net as its table and its picture.
`%sn (train-now 'lecun89 1)` evaluates one form on a line.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from snsim.errors import SnError, Source, first_faults, render
from snsim.escaping import for_html

if TYPE_CHECKING:
    from snsim.language.forms import Form
    from snsim.network.net import Net
    from snsim.prompt.session import Session

_STYLE = "border-collapse:collapse;font-variant-numeric:tabular-nums"


class NotebookProgram:
    """The program of a notebook."""

    def __init__(self, shell: Any):
        self._shell = shell
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        if self._session is None:
            from snsim.prompt.install import open_session

            self._session = open_session(_Output())  # type: ignore[arg-type]  # it has the methods of TextIO that a session uses
        return self._session

    def run(self, line: str, cell: str | None = None) -> None:
        """Evaluate a line or a cell and show what it declared, printed or returned; a fault is shown with its place."""
        text = line if cell is None else f"{line}\n{cell}"
        session = self.session
        answers: list[tuple[Form, Form, bool]] = []
        declared = {id(entry.value) for _, entry in session.declared()}
        try:
            answers += session.forms(Source("<cell>", text))
        except SnError as error:
            print("\n\n".join(render(fault) for fault in first_faults(error.faults)), file=sys.stderr)
            return
        finally:
            for fault in first_faults(session.new_warnings()):
                print(render(fault), file=sys.stderr)
        nets = [entry.value for kind, entry in session.declared() if kind == "net" and id(entry.value) not in declared]
        for net in nets:
            show_net(net)
        if answers and not nets:
            from snsim.prompt.responses import shown

            _, value, printed = answers[-1]
            if not printed:
                print(shown(session, value))


class _Output:
    """A port that prints to the current `sys.stdout`, which a notebook replaces for each cell."""

    def write(self, text: str) -> int:
        return sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()

    def isatty(self) -> bool:
        return False


def show_net(net: Net) -> None:
    """Display the table of a net, and its picture if matplotlib is installed."""
    from IPython.display import HTML, SVG, display

    display(HTML(summary_html(net)))
    try:
        from snsim.plots.net import draw
        from snsim.plots.style import WIDE, as_svg

        display(SVG(as_svg(draw(net, WIDE))))
    except SnError:
        from snsim.plots.connection_text import describe_connections

        print(describe_connections(net))


def summary_html(net: Net) -> str:
    """Return the summary of a net as an HTML table."""
    from dataclasses import astuple

    from snsim.reports.tables import headings, summary

    head = "".join(f"<th style='text-align:left'>{for_html(name)}</th>" for name in headings(False))
    cells = [
        [f"<td style='text-align:left'>{for_html(cell)}</td>" for cell in astuple(row)[:-1]] for row in summary(net)
    ]
    rows = "".join(f"<tr>{''.join(row)}</tr>" for row in cells)
    return (
        f"<p><b>net {for_html(net.name)}</b>: {for_html(net.summary)}</p>"
        f"<table style='{_STYLE}'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def load_ipython_extension(shell: Any) -> None:
    """Register the magic `sn`; `%load_ext snsim.notebook` calls this."""
    program = NotebookProgram(shell)
    shell.register_magic_function(program.run, "line_cell", "sn")
