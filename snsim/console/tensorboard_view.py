"""`snsim run --tensorboard DIR`: what a run tells, as event files that TensorBoard reads. The extra `tensorboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from snsim.console.views import View
from snsim.errors import fail
from snsim.optional_packages import needing
from snsim.reports.pass_lines import named_figures
from snsim.runs.run import Event, Finished, Passed, Started
from snsim.training.loop import Pass


class TensorBoardView:
    """Another view, with the figures of each pass written beside it: `DIR/NAME/events.out...`, NAME that of the run
    folder, the tags `loss/train`, `error/test` and so on, the step the number of the pass.
    """

    def __init__(self, view: View, folder: Path):
        """SnError if tensorboard is not installed, or the folder cannot be written to."""
        with needing("tensorboard", what="--tensorboard"):
            from tensorboard.summary import Writer
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise fail(
                f"{folder} cannot be written to: {problem.strerror or problem}",
                hint="name another folder with --tensorboard",
            ) from None
        self._view, self._folder, self._opener = view, folder, Writer
        self._writer: Any = None

    def show(self, event: Event) -> None:
        if isinstance(event, Started):
            self._close_writer()
            place = self._folder / event.run.resolve().name
            try:
                self._writer = self._opener(str(place))
            except (OSError, ValueError) as problem:  # ValueError: a name that is no UTF-8
                raise fail(
                    f"{place} cannot be written to: {getattr(problem, 'strerror', None) or problem}",
                    hint="name another folder with --tensorboard",
                ) from None
        elif isinstance(event, Passed) and self._writer is not None:
            self._write(event.done)
        elif isinstance(event, Finished):
            self._close_writer()
        self._view.show(event)

    def close(self) -> None:
        self._close_writer()
        self._view.close()

    def _write(self, done: Pass) -> None:
        scores = {"train": done.train, **({} if done.test is None else {"test": done.test})}
        for split, score in scores.items():
            for figure, value in named_figures(score).items():
                self._writer.add_scalar(f"{figure}/{split}", value, done.number)
        self._writer.add_scalar("seconds", done.seconds, done.number)
        self._writer.flush()

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
