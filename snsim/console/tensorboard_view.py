"""`snsim run --tensorboard DIR`: what a run tells, as event files that TensorBoard reads. The extra `tensorboard`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from snsim.console.views import View
from snsim.errors import fail
from snsim.optional_packages import needing
from snsim.reports.pass_lines import named_figures
from snsim.runs.run import Event, Finished, PassFinished, Started
from snsim.training.loop import Pass


class TensorBoardView:
    """Another view, with the figures of each pass written beside it: `DIR/NAME/events.out...`, NAME that of the run
    folder, the tags `loss/train`, `error/test` and so on, the step the number of the pass.
    """

    def __init__(self, view: View, folder: Path):
        """SnError if tensorboard is not installed, or the folder cannot be written to."""
        with needing("tensorboard", what="--tensorboard"):
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise fail(
                f"{folder} cannot be written to: {problem.strerror or problem}",
                hint="name another folder with --tensorboard",
            ) from None
        self._view, self._folder, self._opener = view, folder, EventFileWriter
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
        elif isinstance(event, PassFinished) and self._writer is not None:
            self._write(event.done)
        elif isinstance(event, Finished):
            self._close_writer()
        self._view.show(event)

    def close(self) -> None:
        self._close_writer()
        self._view.close()

    def _write(self, done: Pass) -> None:
        from tensorboard.compat.proto.event_pb2 import Event as Written
        from tensorboard.compat.proto.summary_pb2 import Summary

        scores = {"train": done.train, **({} if done.test is None else {"test": done.test})}
        values = [
            Summary.Value(tag=f"{figure}/{split}", simple_value=value)
            for split, score in scores.items()
            for figure, value in named_figures(score).items()
        ]
        values.append(Summary.Value(tag="seconds", simple_value=done.seconds))
        self._writer.add_event(Written(wall_time=time.time(), step=done.number, summary=Summary(value=values)))
        self._writer.flush()

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
