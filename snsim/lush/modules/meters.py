"""The meter of a classifier: it counts right, wrong and rejected patterns.

See docs/reference/gblearn2.md, section 9.
"""

from __future__ import annotations

import numpy as np

from snsim.language.builtins.output import printf, sprintf
from snsim.language.forms import NIL, Form
from snsim.language.procedures import ABSENT, CallError
from snsim.lush.floating import floating_exception
from snsim.lush.idx import Idx
from snsim.lush.modules.built_in import (
    FUNCTION,
    NUMBER,
    TEXT,
    LushObject,
    Slot,
    built_in_class,
    constructor,
    message,
)
from snsim.lush.modules.classifiers import ANSWER
from snsim.lush.modules.costs import DESIRED
from snsim.lush.modules.states_and_params import ClassState, State, read_matrix, state, write_matrix
from snsim.lush.vocabulary import LUSH, word

_DISPLAY = "[%5d]  size=%3d  energy=%g  correct=%3.2f%%  errors=%3.2f%%  rejects=%3.2f%%\n"
_INFO = "%5d %5d %10.6f %6.2f  %6.2f  %6.2f"
_SAVED = ("energy", "confidence", "size", "total-correct", "total-error", "total-punt", "total-energy")


@word("same-class?")
def same_class(interpreter: object, got: Form, wanted: Form) -> float:
    """(same-class? got wanted): 1 if the two classes are equal, 0 if got is -1, else -1"""
    return 0.0 if got == -1 else 1.0 if got == wanted else -1.0


@built_in_class(
    "classifier-meter",
    slots=(
        "correctp",
        "energy",
        "confidence",
        "size",
        "age",
        "total-correct",
        "total-error",
        "total-punt",
        "total-energy",
    ),
)
class ClassifierMeter(LushObject):
    """counts right, wrong and rejected patterns, and adds their energies"""

    correctp = Slot(FUNCTION)
    energy = Slot(NUMBER, initial=0.0)
    confidence = Slot(NUMBER, initial=0.0)
    size = Slot(NUMBER, initial=0.0)
    age = Slot(NUMBER, initial=0.0)
    total_correct = Slot(NUMBER, initial=0.0)
    total_error = Slot(NUMBER, initial=0.0)
    total_punt = Slot(NUMBER, initial=0.0)
    total_energy = Slot(NUMBER, initial=0.0)

    @constructor(FUNCTION)
    def make(self, rule: Form = ABSENT) -> None:
        """(new classifier-meter [rule]): (rule got wanted) returns 1 for right, -1 for wrong, 0 for rejected"""
        self.correctp = LUSH.get("same-class?") if rule is ABSENT else rule
        self._clear()

    def _clear(self) -> None:
        for name in ("energy", "confidence", "size", "total_correct", "total_error", "total_punt", "total_energy"):
            setattr(self, name, 0.0)
        self.age = 0.0

    @message("clear")
    def clear(self) -> float:
        """(==> meter clear): sets all counts to 0; returns 0"""
        self._clear()
        return 0.0

    @message("resize", NUMBER)
    def resize(self, n: float) -> Form:
        """(==> meter resize n): does nothing"""
        return NIL

    def _judge(self, out: ClassState, desired: Idx) -> Form:
        return self.interpreter.apply(self.correctp, [out.output_class, float(desired.array[()])])

    @message("update", NUMBER, ANSWER, DESIRED, state(0))
    def update(self, age: float, out: ClassState, desired: Idx, energy: State) -> Form:
        """(==> meter update age class-state desired energy): counts a pattern; returns what the rule answers"""
        self.age = age
        self.energy = float(energy.x.array[()])
        self.confidence = out.confidence
        judged = self._judge(out, desired)
        self.size += 1
        self.total_energy += self.energy
        if judged == 1:
            self.total_correct += 1
        elif judged == -1:
            self.total_error += 1
        elif judged == 0:
            self.total_punt += 1
        return judged

    @message("test", ANSWER, DESIRED, state(0))
    def test(self, out: ClassState, desired: Idx, energy: State) -> Form:
        """(==> meter test class-state desired energy): a list: the rule's answer, class, desired, confidence, energy"""
        values = [
            self._judge(out, desired),
            out.output_class,
            float(desired.array[()]),
            out.confidence,
            float(energy.x.array[()]),
        ]
        return self.interpreter.new_list(values, "test")

    def figures(self) -> list[float]:
        """Return age, size, mean energy, and the percentages of right, wrong and rejected patterns."""
        size = self.size
        if not size:
            raise floating_exception("invalid value encountered: the meter has counted no pattern")
        counts = (self.total_correct, self.total_error, self.total_punt)
        return [self.age, size, self.total_energy / size, *(100 * count / size for count in counts)]

    @message("info")
    def info(self) -> Form:
        """(==> meter info): a list: age, size, mean energy, percentages right, wrong and rejected"""
        return self.interpreter.new_list(self.figures(), "info")

    @message("display")
    def display(self) -> Form:
        """(==> meter display): prints a line with the figures of `info`"""
        printf(self.interpreter, _DISPLAY, *self.figures())
        return NIL

    @message("info-sprint")
    def info_sprint(self) -> str:
        """(==> meter info-sprint): a string with the figures of `info`"""
        return sprintf(self.interpreter, _INFO, *self.figures())

    @message("info-print")
    def info_print(self) -> Form:
        """(==> meter info-print): prints the string of `info-sprint` and a new line"""
        self.interpreter.print_text(sprintf(self.interpreter, _INFO, *self.figures()) + "\n")
        return NIL

    @message("save", TEXT)
    def save(self, file: str) -> Form:
        """(==> meter save "file"): writes all counts but the age to a matrix file"""
        write_matrix(self, np.array([getattr(self, name.replace("-", "_")) for name in _SAVED]), file)
        return NIL

    @message("load", TEXT)
    def load(self, file: str) -> Form:
        """(==> meter load "file"): reads what `save` wrote"""
        values = read_matrix(self, file)
        if values.shape != (len(_SAVED),):
            raise CallError(
                f"load: {file} holds {values.size} numbers, not the {len(_SAVED)} of a meter",
                0,
                'give a file that (==> meter save "file") wrote',
            )
        for name, value in zip(_SAVED, values.tolist()):
            setattr(self, name.replace("-", "_"), float(value))
        return NIL
