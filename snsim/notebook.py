"""The notebook extension: `%load_ext snsim.notebook`. `snsim.prompt.notebook` says what cells do."""

from __future__ import annotations

from typing import Any

from snsim.page.frame import frame_of
from snsim.page.subject import subject_of_training
from snsim.prompt.notebook import NotebookProgram
from snsim.prompt.session import Session
from snsim.training.spec import Training

__all__ = ["load_ipython_extension"]


def load_ipython_extension(shell: Any) -> None:
    """Register the magics `sn` and `sn_page`; `%load_ext snsim.notebook` calls this."""
    program = NotebookProgram(_frame_of)
    shell.register_magic_function(program.run, "line_cell", "sn")
    shell.register_magic_function(program.show_page, "line", "sn_page")


def _frame_of(session: Session, training: Training) -> str:
    """Return the page of a training as an element of HTML, with the weights that it has learned in the session."""
    current, program, options = session.current(), session.program, session.options
    if current is None or current.declared is not training or not current.last.number:
        return frame_of(subject_of_training(program, training, options, _say_nothing))
    subject = subject_of_training(
        program,
        training,
        options,
        _say_nothing,
        current.seed,
        current.last.parameters,
        f"the weights of this notebook after pass {current.last.number}",
        trained_on=current.data.name if training.data.names else "",
    )
    return frame_of(subject)


def _say_nothing(sentence: str) -> None:
    """Drop a remark on the data: the page says which data it carries."""
