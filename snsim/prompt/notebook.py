"""Evaluate cells of a notebook: `%load_ext snsim.notebook`, then cells that begin with `%%sn`.

All cells form one program, as at the prompt. A cell shows what it declares: a net as its table and its picture, a
training as the page in which it learns. `%%sn --no-page` leaves the page out, which takes most of the size of a saved
notebook. `%sn (train-now 'lecun89 1)` evaluates one form on a line. `%sn_page NAME` shows the page of a training with
the weights that it has now.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from snsim.errors import SnError, Source, fail, first_faults, for_line, render
from snsim.escaping import for_html
from snsim.registry import suggest

if TYPE_CHECKING:
    from snsim.language.forms import Form
    from snsim.network.net import Net
    from snsim.prompt.session import Session
    from snsim.training.spec import Training

_NO_PAGE = "--no-page"
_STYLE = "border-collapse:collapse;font-variant-numeric:tabular-nums"


class NotebookProgram:
    """The program of a notebook. `make_frame` makes the element of HTML in which a training of a session learns."""

    def __init__(self, make_frame: Callable[[Session, Training], str]):
        self._make_frame = make_frame
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        if self._session is None:
            from snsim.prompt.install import open_session

            self._session = open_session(_Output())  # type: ignore[arg-type]  # it has the methods of TextIO that a session uses
        return self._session

    def run(self, line: str, cell: str | None = None) -> None:
        """Evaluate a line or a cell and show what it declared, printed or returned; a fault is shown with its place."""
        with_page = line.strip() != _NO_PAGE
        text = line if cell is None else f"{line if with_page else ''}\n{cell}"
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
        trainings = [
            entry.value for kind, entry in session.declared() if kind == "training" and id(entry.value) not in declared
        ]
        if trainings and with_page:
            with contextlib.suppress(SnError):  # what a page cannot do is no fault of the cell
                self._display_page(trainings[-1])
        if answers and not nets and not trainings:
            from snsim.prompt.responses import shown

            _, value, printed = answers[-1]
            if not printed:
                print(shown(session, value))

    def show_page(self, line: str = "") -> None:
        """Show the page of a training with its weights of now, by default of the one begun or declared last."""
        try:
            self._display_page(self._training_of(line.strip()))
        except SnError as error:
            print("\n\n".join(render(fault) for fault in first_faults(error.faults)), file=sys.stderr)

    def _training_of(self, name: str) -> Training:
        """Return the training of this name, "" for the one begun or declared last. SnError if there is none."""
        session, latest = self.session, self.session.current()
        declared = {entry.name: entry.value for entry in session.declarations.trainings.own()}
        if not name and latest is not None:
            return latest.declared
        if not declared:
            raise fail("no training is declared", hint="(train NAME (data ...) ...) declares one")
        if name and name not in declared:
            raise fail(
                f'there is no training "{for_line(name)}"', hint=suggest(name, list(declared), "trainings declared")
            )
        return declared[name] if name else list(declared.values())[-1]

    def _display_page(self, training: Training) -> None:
        """Show the page of a training. SnError if it cannot be a page, or is too large for a notebook."""
        from IPython.display import HTML, display

        frame = self._make_frame(self.session, training)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # IPython advises IFrame, which needs a server
            display(HTML(frame))


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
