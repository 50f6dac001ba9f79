"""Show a run: on a terminal, through a pipe, as JSON, or almost silently.

All views show the same events of `snsim.runs.run`. Where standard output is for a program, notes for a person (the data
are not the first choice, how to continue) go to standard error.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import asdict
from typing import Protocol

from snsim.colour import BOLD, DIM, REVERSE, YELLOW, echo, flush, paint, write
from snsim.escaping import for_json, for_line
from snsim.reports.pass_lines import (
    all_figures,
    only_answer_warning,
    output_misses_line,
    pass_headings,
    pass_line,
    published_beside_ours,
    summary_line,
)
from snsim.runs.run import Event, PassFinished, RunFinished, RunStarted
from snsim.text_table import shape_text
from snsim.training.loop import PassResult, PruningResult

_MOMENT = 0.05  # seconds for which printed lines may wait for a flush


class View(Protocol):
    """A display of the events of one run after another."""

    def show(self, event: Event) -> None: ...

    def close(self) -> None:
        """End the display after the run, or after an interrupt: restore the terminal."""


class TimelyOutput:
    """Lines on standard output that a reader sees within a moment, with few calls of the system.

    A flush costs more than a pass over a few patterns. So `flush_if_due`, which a view calls at each event, flushes at
    most every `_MOMENT`.
    """

    def __init__(self) -> None:
        self._flushed = 0.0  # by time.monotonic

    def line(self, text: str) -> None:
        """Write lines; `flush_if_due` or `flush` shows them."""
        write(text + "\n", sys.stdout)

    def flush_if_due(self) -> None:
        """Flush the lines if the last flush is a moment ago."""
        if time.monotonic() - self._flushed >= _MOMENT:
            self.flush()

    def flush(self) -> None:
        """Flush the lines."""
        flush(sys.stdout)
        self._flushed = time.monotonic()

    def close(self) -> None:
        """Flush the lines, unless the reader is gone."""
        with suppress(OSError, ValueError):
            sys.stdout.flush()


class JsonView:
    """Print one JSON object per line: each pass, then "done". If quiet, only "done", with the last pass in it."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._output = TimelyOutput()
        self._started: RunStarted | None = None
        self._last: dict[str, object] = {}
        self._done: PassResult | None = None

    def show(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._started, self._done = event, None
            self._last = {"name": event.training.name, "seed": event.seed, "pass": event.done}
            _warn(event)
        elif isinstance(event, PassFinished):
            done = event.done
            self._done = done
            self._last |= {
                "pass": done.number,
                "train": all_figures(done.train),
                "test": None if done.test is None else all_figures(done.test),
            }
            if done.remaining is not None:
                self._last["left"] = asdict(done.remaining)
            if not self._quiet:
                self._output.line(for_json({"event": "pass", **self._last}))
        elif isinstance(event, PruningResult) and not self._quiet:
            self._output.line(for_json({"event": "pruned", **asdict(event)}))
        elif isinstance(event, RunFinished) and event.completed and self._started is not None:
            echo(
                for_json(
                    {
                        "event": "done",
                        "run": str(event.run),
                        "data": self._started.data,
                        "engine": self._started.engine,
                        "presentations": event.presentations,
                        "seconds": round(event.seconds, 3),
                        **(
                            {}
                            if event.best is None
                            else {
                                "best": {
                                    "pass": event.best.number,
                                    "figure": event.best.figure,
                                    "value": event.best.value if event.best.number else None,
                                },
                                "stopped": event.stopped,
                            }
                        ),
                        **(self._last if self._quiet else {}),
                    }
                )
            )
            if self._done is not None:
                _warn_of_only_answer(self._done)
        self._output.flush_if_due()

    def close(self) -> None:
        self._output.close()


class QuietView:
    """Print one line per run: its name, the figures of its last pass, its folder."""

    def __init__(self) -> None:
        self._started: RunStarted | None = None
        self._last: PassResult | None = None

    def show(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._started, self._last = event, None
            _warn(event)
        elif isinstance(event, PassFinished):
            self._last = event.done
        elif isinstance(event, RunFinished) and self._started is not None:
            name = f"{self._started.training.name}, seed {self._started.seed}"
            if self._last is not None:
                echo(
                    f"{name}, pass {self._last.number}: {summary_line(self._last.train, self._last.test)}; "
                    f"{for_line(event.run)}"
                )
                if event.completed:
                    _warn_of_only_answer(self._last)
            elif event.completed:
                left = stop_line(event) if event.stopped else nothing_left(self._started)
                echo(f"{name}: {left}; {for_line(event.run)}")

    def close(self) -> None:
        pass


class PlainView:
    """Print plain lines, for pipes and files: what is run, one line per pass, and the end."""

    def __init__(self) -> None:
        self._started: RunStarted | None = None
        self._last: PassResult | None = None
        self._runs = 0
        self._output = TimelyOutput()

    def show(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._runs += 1
            self._started, self._last = event, None
            self.say(("\n" if self._runs > 1 else "") + header(event))
            if event.done < event.training.passes:
                self.say(paint(pass_headings(event.patterns[1] > 0), DIM, stream=sys.stdout))
        elif isinstance(event, PassFinished):
            self._last = event.done
            self.say(pass_line(event.done.number, event.done.train, event.done.test))
        elif isinstance(event, PruningResult):
            self.say(pruned_line(event))
        elif isinstance(event, RunFinished) and event.completed and self._started is not None:
            self.say(footer(self._started, self._last, event))
            self._output.flush()
        self._output.flush_if_due()

    def say(self, text: str) -> None:
        """Print some lines."""
        self._output.line(text)

    def close(self) -> None:
        self._output.close()


def header(event: RunStarted) -> str:
    """Return the header of a run, one line each for training, net, data, engine, seed, folder."""
    training, counts = event.training, event.counts
    file = "" if training.span is None else f"   {for_line(training.span.source.name)}"
    lines = [
        paint(training.name, BOLD, stream=sys.stdout) + file,
        *_labelled(
            [
                ("net", ", ".join(f"{layer.name} {shape_text(layer.shape)}" for layer in training.net.layers)),
                ("", f"{counts.units:,} units, {counts.connections:,} connections, {counts.weights:,} weights"),
                ("data", f"{event.data}, {_patterns(*event.patterns)}"),
                ("engine", f"{event.engine}, {event.dtype}"),
                ("seed", f"{event.seed}"),
                ("run", for_line(event.run)),
            ]
        ),
    ]
    if event.rank:
        lines.append("  " + paint(f" {data_warning(event)} ", BOLD, YELLOW, REVERSE, stream=sys.stdout))
        if training.published:
            lines.append("  the figures cannot be compared with the published ones")
    if event.instead:
        lines.append("  " + paint(event.instead, YELLOW, stream=sys.stdout))
    if event.done == training.passes:
        lines.append(f"  {nothing_left(event)}")
    elif event.done:
        lines.append(f"  continues after pass {event.done}")
    return "\n".join(lines) + "\n"


def pruned_line(event: PruningResult) -> str:
    """Return the line that says what was cut before a pass, and what remains."""
    connections, weights = (
        getattr(event.before, what) - getattr(event.remaining, what) for what in ("connections", "weights")
    )
    return (
        f"      {connections:,} connections ({weights:,} weights) cut; {event.remaining.connections:,} "
        f"({event.remaining.weights:,}) remain"
    )


def footer(started: RunStarted, last: PassResult | None, finished: RunFinished) -> str:
    """Return the footer of a run: published figures beside ours, speed, and the folder."""
    lines = [""]
    training = started.training
    if training.published and last is not None:
        first_choice = training.first_data
        headings = (
            ("published", "ours")
            if first_choice in (None, started.data)
            else (f"published on {first_choice}", f"ours on {started.data}")
        )
        lines += [published_beside_ours(training.published, last.train, last.test, *headings), ""]
    if last is not None and (misses := output_misses_line(last.train, last.test)):
        lines += [misses, ""]
    if last is not None and (warning := only_answer_warning(last.train)):
        lines += [paint(warning, YELLOW, stream=sys.stdout), ""]
    if finished.stopped:
        lines += [stop_line(finished), ""]
    if finished.best is not None and finished.best.number:
        best = finished.best
        lines += [f"best {best.figure}: {best.value:g}, pass {best.number}; its weights are in best.safetensors", ""]
    if finished.presentations:
        speed = finished.presentations / finished.seconds if finished.seconds else 0.0
        lines.append(f"{finished.presentations:,} presentations in {finished.seconds:.1f} s ({speed:,.0f} per second)")
    lines.append(f"{for_line(finished.run)} contains source, settings, figures and weights")
    return "\n".join(lines)


def _patterns(train: int, test: int) -> str:
    return f"{train:,} train and {test:,} test patterns" if test else f"{train:,} patterns, none for testing"


def nothing_left(event: RunStarted) -> str:
    """Return the sentence for a resumed run that was already complete."""
    return f"all {event.training.passes} passes are already done: nothing to do"


def stop_line(finished: RunFinished) -> str:
    """Return the sentence for a run that (stop-after N) has ended."""
    best = finished.best
    assert best is not None
    return f"stopped after pass {best.last}: no better {best.figure} in {best.stop_after} passes"


def data_warning(event: RunStarted) -> str:
    """Return the warning that the data are not the first choice of the description."""
    return f"{event.data}, NOT {' or '.join(event.wanted[: event.rank])}, which was not found"


def _labelled(rows: list[tuple[str, str]]) -> list[str]:
    width = max(len(label) for label, _ in rows)
    return [f"  {paint(label.ljust(width), DIM, stream=sys.stdout)}  {text}" for label, text in rows]


def _warn_of_only_answer(last: PassResult) -> None:
    """Print on standard error that the last pass gives every pattern the same answer, if it does."""
    if warning := only_answer_warning(last.train):
        echo(paint(warning, YELLOW, stream=sys.stderr), err=True)


def _warn(event: RunStarted) -> None:
    """Print on standard error what differs from the request."""
    if event.rank:
        echo(paint(data_warning(event), BOLD, YELLOW, stream=sys.stderr), err=True)
    if event.instead:
        echo(paint(event.instead, YELLOW, stream=sys.stderr), err=True)
