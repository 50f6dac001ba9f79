"""Compare the figures that a script prints with those that its own weights give on the whole sets.

A script may also count while it learns: each pattern with the weights of that moment. Such a figure is compared with
the outputs of the watched presentations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from snsim.comparison.script.events import Event, place_of
from snsim.comparison.script.result import PrintedFigure
from snsim.training.criteria import CRITERIA
from snsim.training.forward_all import compute_outputs
from snsim.training.prepare import Patterns
from snsim.training.scores import mean_cost

if TYPE_CHECKING:
    from snsim.comparison.script.judged import JudgedScript

_NUMBER = r"[-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf"
_WORD = r"loss|cost|errors?|err|misses|missed|accuracy|acc"
_AFTER = re.compile(rf"(?i)\b({_WORD})\b[^\d+\-.,;|]{{0,16}}?[:=\s(\[]\s*({_NUMBER})\s*(%?)")
_BEFORE = re.compile(rf"(?i)(?<![\w.])({_NUMBER})\s*(%?)\s+(errors|misses|missed|accuracy|error)\b")
_SPLITS = (("test", re.compile(r"(?i)test|valid|\bval\b|held")), ("train", re.compile(r"(?i)train")))
_UNSEEN = "no evaluation of the model was seen before it"
_MOST_WRONG = 6  # figures that are noted


@dataclass(frozen=True)
class _Scores:
    """What some weights give on one set: cost, mean squared error, misses, and how many are near a tie."""

    loss: float
    mse: float
    misses: int
    near: int
    patterns: int
    outputs: int


class FigureJudge:
    """Judges printed figures; the scores of the weights at each moment are computed once."""

    def __init__(self, judge: JudgedScript):
        self._judge = judge
        self._scores: dict[int, dict[str, _Scores]] = {}
        self._evaluations: list[Event] = []
        self._learned: list[tuple[int, int, int]] = []  # (presented before it, patterns, misses) of a presentation
        self._moments = [0]  # how many patterns were presented when a figure was printed

    def take_outputs(self, before: int, outputs: np.ndarray, targets: np.ndarray) -> None:
        """Count the misses of one presentation, `before` patterns after the start. Both are (patterns, units)."""
        name, numbers = self._judge.training.criterion
        with np.errstate(all="ignore"):
            right = CRITERIA.get(name).right(outputs, targets, *numbers)
        self._learned.append((before, len(targets), int((~right).sum())))

    def take_evaluation(self, event: Event) -> None:
        """Keep an evaluation; the figures that follow belong to it."""
        self._evaluations = [*self._evaluations[-7:], event]

    def take_printed(self, event: Event) -> None:
        judge = self._judge
        if judge.roles is None or judge.weights is None or not judge.roles.is_complete(judge.net):
            return
        if judge.has("forward") or judge.has("data"):
            return  # its net is another one, so its figures say nothing more
        if judge.weights_number != event["weights"]:
            return
        scores = self._scores_at(event["weights"])
        for text, word, value, digits, percent in figures(event["text"]):
            split = _split_of(event["text"], text)
            own = self._compare(word, value, digits, percent, split, scores, event["costs"])
            if own is None:
                continue
            agrees, expected, reason = own
            presentation = event["presented"]
            place = place_of(event["place"])
            if not agrees and not _is_of_test(event["text"], text):
                counted = self._counted(word, value, digits, percent, presentation)
                if counted is not None:
                    agrees, expected = True, counted
                    self._note("it counts while it learns", f'"{text}" fits its presentations, not its last weights')
            if not agrees and reason in ("", self._evaluation_text(split)) and not self._is_evaluated(split, event):
                self._note("not judged", f'"{text}": {_UNSEEN}, so it may count while it learns')
                continue
            judge.comparison.figures.append(PrintedFigure(text, split, value, expected, agrees, presentation, place))
            if not agrees:
                where = f" for the {split} set" if split else ""
                judge.differ(
                    "evaluation",
                    f'it prints "{text}"{where}; its own weights give {expected:.6g}',
                    presentation,
                    place,
                    notes=[reason or self._evaluation_text(split)],
                )
        if event["presented"] > self._moments[-1]:
            self._moments = [self._moments[-1], event["presented"]]
        self._scores = {event["weights"]: scores}

    def finish(self) -> None:
        """Release what was kept."""
        self._scores.clear()

    # ---- Figures that are counted while it learns ------------------------------------------------------------------

    def _note(self, head: str, rest: str) -> None:
        """Add a note, if there is none with this beginning."""
        notes = self._judge.comparison.notes
        if not any(note.startswith(head) for note in notes):
            notes.append(f"{head}: {rest}")

    def _is_evaluated(self, split: str, printed: Event) -> bool:
        """Return whether the set of a figure was evaluated with the weights that the script has when it prints it."""
        finder, patterns = self._judge.finder, self._judge.patterns
        for event in self._evaluations:
            if event["number"] != printed["number"]:
                continue
            found = finder.indices(event.arrays["prints"]) if split == "train" else ()
            if not len(found) or not (np.asarray(found) >= patterns).all():
                return True
        return False

    def _counted(self, word: str, value: float, digits: float, percent: bool, presented: int) -> float | None:
        """Return the value of a figure over the presentations of this pass, since the last figure or from the start.

        None if none of them gives the printed value, or if not all of them were watched.
        """
        patterns = self._judge.patterns
        since = next((moment for moment in reversed(self._moments) if moment < presented), 0)
        for start in dict.fromkeys(((presented - 1) // patterns * patterns, since, 0)):
            inside = [one for one in self._learned if start <= one[0] < presented]
            count = sum(one[1] for one in inside)
            if not count or count != presented - start:
                continue
            misses = sum(one[2] for one in inside)
            score = _Scores(float("nan"), float("nan"), misses, 0, count, 1)
            for own, _ in _candidates(word, percent, score):
                if abs(value - own) <= 0.51 * digits + 2e-5 * abs(own):
                    return own
        return None

    # ---- Own scores ----------------------------------------------------------------------------------------------

    def _scores_at(self, weights: int) -> dict[str, _Scores]:
        if weights not in self._scores:
            judge = self._judge
            assert judge.roles is not None and judge.weights is not None
            engine = judge.engine()
            engine.load_parameters(judge.roles.to_ours(judge.weights))
            parts: dict[str, Patterns | None] = {"train": judge.data.train, "test": judge.data.test}
            self._scores[weights] = {
                name: self._score(compute_outputs(engine, part.inputs, part.starts), part.targets)
                for name, part in parts.items()
                if part is not None
            }
        return self._scores[weights]

    def _score(self, outputs: np.ndarray, targets: np.ndarray) -> _Scores:
        training = self._judge.training
        x, d = np.asarray(outputs, np.float64), np.asarray(targets, np.float64)
        name, numbers = training.criterion
        with np.errstate(all="ignore"):
            right = CRITERIA.get(name).right(x, d, *numbers)
            ordered = np.sort(x, axis=1)
            near = int((ordered[:, -1] - ordered[:, -2] < 1e-5).sum()) if x.shape[1] > 1 else 0
            return _Scores(
                mean_cost(training.cost, x, d),
                float(np.mean((d - x) ** 2)),
                int((~right).sum()),
                near,
                len(x),
                x.shape[1],
            )

    # ---- One figure ----------------------------------------------------------------------------------------------

    def _compare(
        self,
        word: str,
        value: float,
        digits: float,
        percent: bool,
        split: str,
        scores: dict[str, _Scores],
        costs: list[float],
    ) -> tuple[bool, float, str] | None:
        """Return whether a figure is right, what is expected, and why it may differ; None if it is not judged."""
        splits = [split] if split in scores else [] if split else list(scores)
        if not splits or not np.isfinite(value):
            return None
        slack = 0.51 * digits
        expected: list[tuple[float, float]] = []
        for name in splits:
            expected += _candidates(word, percent, scores[name])
        if not expected:
            return None
        if any(abs(value - own) <= slack + more + 2e-5 * abs(own) for own, more in expected):
            return True, min((own for own, _ in expected), key=lambda own: abs(own - value)), ""
        if word in ("loss", "cost", "error") and not percent:
            factor = self._cost_factor()
            seen = [cost for cost in costs if np.isfinite(cost)]
            seen += [cost / self._judge.batch for cost in seen]
            if split != "test" and any(abs(value - cost) <= slack + 1e-4 * abs(cost) for cost in seen):
                return None  # the mean cost of its presentations, not of its weights now
            if factor and any(abs(value - factor * own) <= slack + 1e-4 * abs(factor * own) for own, _ in expected):
                return True, value, ""
        own = min((one for one, _ in expected), key=lambda one: abs(one - value))
        return False, own, self._reason(word, value, slack, percent, split, scores)

    def _cost_factor(self) -> float | None:
        factors = self._judge.cost_factors
        return factors[0] if factors and np.ptp(factors) <= 1e-3 * abs(factors[0]) else None

    def _reason(
        self, word: str, value: float, slack: float, percent: bool, split: str, scores: dict[str, _Scores]
    ) -> str:
        for name, score in scores.items():
            if split and name != split:
                for own, more in _candidates(word, percent, score):
                    if abs(value - own) <= slack + more + 2e-5 * abs(own):
                        return f"this is the figure of the {name} set"
        if split in scores and word in ("misses", "missed"):
            score = scores[split]
            if value == score.misses - 1:
                share = float(np.float32(score.misses / score.patterns)) * score.patterns
                return f"truncated: int() of {share:.6f} or a little less is {int(value)}; round() gives {score.misses}"
        if split in scores:
            for own, _ in _candidates(word, percent, scores[split]):
                if 0 < own - value < 2 * slack / 0.51 * 1.01 and not word.startswith("miss"):
                    return "the last digit is truncated, not rounded"
        return self._evaluation_text(split)

    def _evaluation_text(self, split: str) -> str:
        """Return what the last evaluation presented, if that was not the whole set."""
        judge = self._judge
        if not self._evaluations:
            return _UNSEEN
        event = self._evaluations[-1]
        wanted = {"train": judge.data.train, "test": judge.data.test}.get(split)
        count = event["patterns"]
        if wanted is not None and count != len(wanted):
            place = place_of(event["place"])
            return f"it evaluates {count:,} pattern{'s' * (count != 1)} of {len(wanted):,} ({place})"
        found = judge.finder.indices(event.arrays["prints"])
        if split and len(found):
            trained = float(((found >= 0) & (found < judge.patterns)).mean())
            if split == "test" and trained > 0.5:
                return "it evaluates training patterns"
            if split == "train" and trained < 0.5:
                return "it evaluates patterns that are not of the training set"
            if len(np.unique(found)) < 0.9 * len(found):
                return f"it evaluates only {len(np.unique(found)):,} different patterns"
        return ""


def _candidates(word: str, percent: bool, score: _Scores) -> Iterator[tuple[float, float]]:
    """Yield the values that a figure may have, and the slack of patterns that are near a tie."""
    n, near = score.patterns, score.near
    if word in ("misses", "missed"):
        yield float(score.misses), float(near)
        return
    wrong = score.misses / n
    if word in ("accuracy", "acc"):
        yield 100 * (1 - wrong), 100 * near / n
        if not percent:
            yield 1 - wrong, near / n
            yield float(n - score.misses), float(near)
        return
    if word in ("error", "err"):
        yield 100 * wrong, 100 * near / n
        if percent:
            return
        yield wrong, near / n
        yield float(score.misses), float(near)
    yield score.loss, 0.0
    yield score.mse, 0.0
    yield score.mse / 2, 0.0
    yield score.mse * score.outputs, 0.0
    yield score.mse * score.outputs / 2, 0.0
    yield score.loss * n, 0.0


def figures(line: str) -> Iterator[tuple[str, str, float, float, bool]]:
    """Yield (text, word, value, unit of the last digit, whether it is a percentage) for each figure of a line."""
    taken: list[tuple[int, int]] = []
    for match in _AFTER.finditer(line):
        taken += [match.span(1), match.span(2)]
        yield _figure(match[0], match[1], match[2], bool(match[3]))
    for match in _BEFORE.finditer(line):
        if not any(a < match.end(k) and match.start(k) < b for a, b in taken for k in (1, 3)):
            yield _figure(match[0], match[3], match[1], bool(match[2]))


def _figure(text: str, word: str, number: str, percent: bool) -> tuple[str, str, float, float, bool]:
    plain = number.replace(",", "")
    mantissa, _, power = plain.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    digits = 10.0 ** (-decimals + (int(power) if power else 0)) if "." in mantissa or power else 1e-9
    return (
        text.strip(),
        word.lower().removesuffix("s") if word.lower() == "errors" else word.lower(),
        float(plain),
        digits,
        percent,
    )


def _is_of_test(line: str, text: str) -> bool:
    """Return whether a line names the test set before a figure."""
    return _SPLITS[0][1].search(line[: line.find(text) + len(text)]) is not None


def _split_of(line: str, text: str) -> str:
    """Return the set that a figure is about: the last one named before it, else the only one in the line."""
    before = line[: line.find(text) + len(text)]
    places = {name: max((match.start() for match in pattern.finditer(before)), default=-1) for name, pattern in _SPLITS}
    if max(places.values()) >= 0:
        return max(places, key=lambda name: places[name])
    named = [name for name, pattern in _SPLITS if pattern.search(line)]
    return named[0] if len(named) == 1 else ""
