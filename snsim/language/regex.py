r"""Match SN's regular expressions in time proportional to text times pattern.

`.` any character, `[a-z]` and `[^...]` sets, `( )` groups, `|` alternatives, `* + ?` repetition, `^` and `$` the ends
of the text, `\\` before a character that means itself. Of several matches, the first in the order of the pattern wins;
`*` and `+` are greedy. All threads of the match advance side by side, one character at a time
(K. Thompson, CACM 11, 1968, in R. Pike's version, which keeps the groups).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from snsim.data_classes import dataclass
from snsim.language.procedures import CallError

_LONGEST, _DEEPEST = 1_000, 100  # characters of a pattern, parentheses inside one another


@dataclass(frozen=True)
class Instruction:
    """One instruction of the matcher.

    `take` a character of a set; `go` to one of several targets (the first has priority); `save` the start or end of a
    group; assert the `begin` or the `end` of the text; or `done`.
    """

    kind: str
    targets: tuple[int, ...] = ()
    ranges: tuple[tuple[str, str], ...] = ()
    negated: bool = False

    def takes(self, character: str) -> bool:
        return any(low <= character <= high for low, high in self.ranges) != self.negated


Code = list[Instruction]
Saved = tuple[int, ...]  # starts and ends of the match and its groups; -1 for a group that was not reached


@dataclass(frozen=True)
class Match:
    """A match, from `start` up to `end`, and the text of each of its groups."""

    start: int
    end: int
    groups: tuple[str, ...]


class _Parser:
    """Compile one pattern to instructions. Jump targets are relative to their instruction."""

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
        """Parse one or more sequences with | between them; each numbers its groups from the same start."""
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
            raise self.wrong("there is nothing to match here")
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
                raise self.wrong("a character is missing after the backslash")
            self.at += 1
        return [Instruction("take", ranges=((sign, sign),))]

    def group(self) -> Code:
        number = self.groups
        self.groups += 1
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.wrong(f"more than {_DEEPEST} parentheses are nested")
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
    """A compiled pattern. `work` is called with the number of threads at each character; it may raise."""

    def __init__(self, pattern: str, work: Callable[[int], None]):
        parser = _Parser(pattern)
        self._code = [*parser.parse(), Instruction("done")]
        self._groups = parser.groups
        self._work = work

    def matches(self, text: str) -> bool:
        """Return whether the pattern matches the whole text."""
        return self._run(text, 0, whole=True) is not None

    def whole_match(self, text: str) -> Match | None:
        """Return the match of the whole text, or None."""
        return self._match(text, self._run(text, 0, whole=True))

    def search(self, text: str, start: int) -> Match | None:
        """Return the first match that begins at `start` or later, before the end of the text."""
        return self._match(text, self._run(text, start, whole=False))

    def all_matches(self, text: str) -> Iterator[Match]:
        """Yield the matches of at least one character, one after the other, from left to right."""
        at = 0
        while (match := self.search(text, at)) is not None:
            if match.end > match.start:
                yield match
            at = max(match.end, match.start + 1)

    def _match(self, text: str, saved: Saved | None) -> Match | None:
        if saved is None:
            return None
        bounds = [(saved[2 * i + 2], saved[2 * i + 3]) for i in range(self._groups)]
        return Match(saved[0], saved[1], tuple(text[a:b] if 0 <= a <= b else "" for a, b in bounds))

    def _run(self, text: str, start: int, whole: bool) -> Saved | None:
        """Return the bounds saved by the first thread that ends; with `whole`, only at the end of the text."""
        saved_by_match: Saved | None = None
        threads: dict[int, Saved] = {}
        for at in range(start, len(text) + 1):
            if saved_by_match is None and (at == start if whole else at < len(text)):
                self._follow(text, at, 0, (at, *[-1] * (2 * self._groups + 1)), threads)
            if not threads:
                if saved_by_match is not None or whole:
                    break
                continue
            self._work(len(threads))
            following: dict[int, Saved] = {}
            for address, saved in threads.items():
                instruction = self._code[address]
                if instruction.kind == "done":
                    if not whole or at == len(text):
                        saved_by_match = (saved[0], at, *saved[2:])
                        break  # the remaining threads have lower priority
                elif at < len(text) and instruction.takes(text[at]):
                    self._follow(text, at + 1, address + 1, saved, following)
            threads = following
        return saved_by_match

    def _follow(self, text: str, at: int, address: int, saved: Saved, threads: dict[int, Saved]) -> None:
        """Add the threads reachable from an instruction without taking a character, in priority order."""
        work = [(address, saved)]
        seen: set[int] = set()
        while work:
            address, saved = work.pop()
            if address in threads or address in seen:
                continue
            seen.add(address)
            instruction = self._code[address]
            if instruction.kind in ("take", "done"):
                threads[address] = saved
            elif instruction.kind == "go":
                work += [(address + target, saved) for target in reversed(instruction.targets)]
            elif instruction.kind == "save":
                slot = instruction.targets[0]
                work.append((address + 1, (*saved[:slot], at, *saved[slot + 1 :])))
            elif at == (0 if instruction.kind == "begin" else len(text)):
                work.append((address + 1, saved))
