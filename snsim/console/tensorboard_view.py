"""Write a run as event files for TensorBoard: `snsim run --tensorboard DIR`. Needs the extra `tensorboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from snsim.console.views import View
from snsim.errors import fail
from snsim.optional_packages import needing
from snsim.reports.pass_lines import named_figures
from snsim.runs.run import Event, PassFinished, RunFinished, RunStarted
from snsim.training.loop import PassResult


class TensorBoardView:
    """Show a run in another view, and write the figures of each pass to `DIR/NAME/events.out...`.

    NAME is that of the run folder, the tags are `loss/train`, `error/test` and so on, the step is the pass.
    """

    def __init__(self, view: View, folder: Path):
        """Wrap a view. SnError if tensorboard is not installed, or the folder cannot be written to."""
        with needing("tensorboard", what="--tensorboard"):
            from tensorboard.summary import Writer
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise fail(
                f"{folder} cannot be written to: {error.strerror or error}",
                hint="name another folder with --tensorboard",
            ) from None
        self._view, self._folder, self._opener = view, folder, Writer
        self._writer: Any = None

    def show(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._close_writer()
            folder = self._folder / event.run.resolve().name
            try:
                self._writer = self._opener(str(folder))
            except (OSError, ValueError) as error:  # ValueError: the name is not UTF-8
                raise fail(
                    f"{folder} cannot be written to: {getattr(error, 'strerror', None) or error}",
                    hint="name another folder with --tensorboard",
                ) from None
        elif isinstance(event, PassFinished) and self._writer is not None:
            self._write(event.done)
        elif isinstance(event, RunFinished):
            self._close_writer()
        self._view.show(event)

    def close(self) -> None:
        self._close_writer()
        self._view.close()

    def _write(self, done: PassResult) -> None:
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
