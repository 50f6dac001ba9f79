r"""SN's regular expressions, matched in a time that grows with text times pattern and no faster.

`.` any character, `[a-z]` and `[^...]` sets, `( )` groups, `|` or, `* + ?` behind one of these, `^` and `$` the ends of
the text, `\\` before a sign that means itself. Of several ways to match, the first in the order of the pattern is
taken, with as much as possible for `*` and `+`. All ways are followed side by side, from character to character
(K. Thompson, CACM 11, 1968; R. Pike's version, which keeps the groups).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from snsim.language.procedures import CallError

_LONGEST, _DEEPEST = 1_000, 100  # characters of a pattern, parentheses inside one another


@dataclass(frozen=True)
class Instruction:
    """`take` a character of a set, `go` to one of several places (the first is tried first), `save` where a group
    begins or ends, be at the `begin` or the `end` of the text, or `done`.
    """

    kind: str
    targets: tuple[int, ...] = ()
    ranges: tuple[tuple[str, str], ...] = ()
    negated: bool = False

    def takes(self, character: str) -> bool:
        return any(low <= character <= high for low, high in self.ranges) != self.negated


Code = list[Instruction]
Saved = tuple[int, ...]  # where the match and its groups begin and end; -1 for what was not met


@dataclass(frozen=True)
class Match:
    """Where a pattern matches, from `start` up to `end`, and the text of each of its groups."""

    start: int
    end: int
    groups: tuple[str, ...]


class _Parser:
    """One pattern while it is turned into instructions. Targets count from the instruction they stand in."""

    def __init__(self, pattern: str):
        if len(pattern) > _LONGEST:
            raise CallError(
                f"the regular expression has {len(pattern):,} characters, {_LONGEST:,} is the limit",
                0,
                "match its parts one after the other: (regex-seek regex string start)",
            )
        self.pattern = pattern
        self.at = 0
        self.groups = 0
        self.depth = 0

    def parse(self) -> Code:
        code = self.alternatives()
        if self.at < len(self.pattern):
            raise self.wrong("a ( is missing before this )")
        return code

    def wrong(self, what: str) -> CallError:
        return CallError(
            f'regular expression "{self.pattern}", character {self.at + 1}: {what}',
            0,
            r'write \\ in a string before a sign that stands for itself, as in "\\(" for a bracket',
        )

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def alternatives(self) -> Code:
        """One or more sequences with | between them; groups are numbered anew in each."""
        before, most = self.groups, 0
        sequences = [self.sequence()]
        while self.peek() == "|":
            self.at += 1
            most, self.groups = max(most, self.groups), before
            sequences.append(self.sequence())
        self.groups = max(most, self.groups)
        code = sequences.pop()
        for first in reversed(sequences):
            code = [Instruction("go", (1, len(first) + 2)), *first, Instruction("go", (len(code) + 1,)), *code]
        return code

    def sequence(self) -> Code:
        code = self.repeated()
        while self.peek() not in ("", "|", ")"):
            code += self.repeated()
        return code

    def repeated(self) -> Code:
        code = self.single()
        sign = self.peek()
        if sign in ("*", "+", "?") and sign:
            self.at += 1
            if sign == "?":
                return [Instruction("go", (1, len(code) + 1)), *code]
            if sign == "+":
                return [*code, Instruction("go", (-len(code), 1))]
            return [Instruction("go", (1, len(code) + 2)), *code, Instruction("go", (-len(code) - 1,))]
        return code

    def single(self) -> Code:
        sign = self.peek()
        if sign in ("", "|", ")"):
            raise self.wrong("something to match is missing here")
        self.at += 1
        if sign == "(":
            return self.group()
        if sign == "[":
            return [self.set()]
        if sign in "^$":
            return [Instruction("begin" if sign == "^" else "end")]
        if sign == ".":
            return [Instruction("take", negated=True)]
        if sign == "\\":
            sign = self.peek()
            if not sign:
                raise self.wrong("a character is missing behind the backslash")
            self.at += 1
        return [Instruction("take", ranges=((sign, sign),))]

    def group(self) -> Code:
        number = self.groups
        self.groups += 1
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.wrong(f"more than {_DEEPEST} parentheses stand inside one another")
        code = self.alternatives()
        if self.peek() != ")":
            raise self.wrong("a ) is missing")
        self.at += 1
        self.depth -= 1
        return [Instruction("save", (2 * number + 2,)), *code, Instruction("save", (2 * number + 3,))]

    def set(self) -> Instruction:
        negated = self.peek() == "^"
        self.at += negated
        ranges: list[tuple[str, str]] = []
        while self.peek() != "]" or not ranges:
            low = self.peek()
            high = self.pattern[self.at + 2 : self.at + 3]
            if not low:
                raise self.wrong("a ] is missing")
            if self.pattern[self.at + 1 : self.at + 2] == "-" and high not in ("", "]"):
                ranges.append((low, high))
                self.at += 3
            else:
                ranges.append((low, low))
                self.at += 1
        self.at += 1
        return Instruction("take", ranges=tuple(ranges), negated=negated)


class Regex:
    """A pattern ready to be matched. `work` is told how many ways are followed at each character; it may raise."""

    def __init__(self, pattern: str, work: Callable[[int], None]):
        parser = _Parser(pattern)
        self._code = [*parser.parse(), Instruction("done")]
        self._groups = parser.groups
        self._work = work

    def matches(self, text: str) -> bool:
        """Whether the pattern matches the whole text."""
        return self._run(text, 0, whole=True) is not None

    def search(self, text: str, start: int) -> Match | None:
        """The first match that begins at `start` or behind it, before the end of the text."""
        saved = self._run(text, start, whole=False)
        if saved is None:
            return None
        bounds = [(saved[2 * i + 2], saved[2 * i + 3]) for i in range(self._groups)]
        return Match(saved[0], saved[1], tuple(text[a:b] if 0 <= a <= b else "" for a, b in bounds))

    def _run(self, text: str, start: int, whole: bool) -> Saved | None:
        """What was saved by the first way that ends, and, with `whole`, ends at the end of the text."""
        found: Saved | None = None
        ways: dict[int, Saved] = {}
        for at in range(start, len(text) + 1):
            if found is None and (at == start if whole else at < len(text)):
                self._follow(text, at, 0, (at, *[-1] * (2 * self._groups + 1)), ways)
            if not ways:
                if found is not None or whole:
                    break
                continue
            self._work(len(ways))
            following: dict[int, Saved] = {}
            for place, saved in ways.items():
                instruction = self._code[place]
                if instruction.kind == "done":
                    if not whole or at == len(text):
                        found = (saved[0], at, *saved[2:])
                        break  # the ways behind this one come later in the order of the pattern
                elif at < len(text) and instruction.takes(text[at]):
                    self._follow(text, at + 1, place + 1, saved, following)
            ways = following
        return found

    def _follow(self, text: str, at: int, place: int, saved: Saved, ways: dict[int, Saved]) -> None:
        """Add the ways that lead on from a place without taking a character, in their order."""
        work = [(place, saved)]
        seen: set[int] = set()
        while work:
            place, saved = work.pop()
            if place in ways or place in seen:
                continue
            seen.add(place)
            instruction = self._code[place]
            if instruction.kind in ("take", "done"):
                ways[place] = saved
            elif instruction.kind == "go":
                work += [(place + target, saved) for target in reversed(instruction.targets)]
            elif instruction.kind == "save":
                slot = instruction.targets[0]
                work.append((place + 1, (*saved[:slot], at, *saved[slot + 1 :])))
            elif at == (0 if instruction.kind == "begin" else len(text)):
                work.append((place + 1, saved))
