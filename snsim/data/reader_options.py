"""What a description says of a user's own files: the reader, the files, and the options inside the reader's form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from snsim.errors import SnError, Span, fail
from snsim.registry import listed, suggest

SPLIT_SEED = 1  # draws the patterns held out, unless (split-seed N) says another
COMMON_OPTIONS = ("test", "folds", "split-seed", "range", "standardize", "classes", "starts")
PICTURE_OPTIONS = ("size", "invert")
TABLE_OPTIONS = ("label", "target", "ignore", "sequence")
EXAMPLES = "examples"  # the form of two matrices in the text, which takes COMMON_OPTIONS


def fold_name(text: str) -> str:
    """Return a name in lower case with `-` for each `_` but a leading one, as the reader of the language folds it."""
    lowered = text.lower()
    return lowered[:1] + lowered[1:].replace("_", "-")


@dataclass(frozen=True)
class NamePattern:
    """A name of a column or class in a description.

    A symbol matches whatever its case and `_` or `-`; a text in quotes (`exact`) matches as it is; a number
    (`number`) is the number of a column, from 1.
    """

    text: str
    exact: bool = False
    number: int | None = None
    span: Span | None = field(default=None, compare=False)

    def matches(self, name: str) -> bool:
        """Tell whether a name of the file is meant."""
        return name == self.text if self.exact else fold_name(name) == self.text

    def find(self, names: Sequence[str], noun: str, plural: str, where: str) -> int:
        """Return the place of the name among those of a file. SnError if none or several match."""
        places = [place for place, name in enumerate(names) if self.matches(name)]
        if len(places) == 1:
            return places[0]
        if not places:
            raise self._unknown(names, noun, plural, where)
        spellings = list(dict.fromkeys(names[place] for place in places))
        spelled = " and ".join(f'"{spelling}"' for spelling in spellings)
        raise fail(
            f"{self.text} matches {len(places)} {plural} of {where}: {spelled}",
            self.span,
            hint=f'write its name in quotes: "{spellings[0]}"'
            if len(spellings) == len(places)
            else f"give the columns other names, or write the number of the column, such as {places[0] + 1}",
        )

    def _unknown(self, names: Sequence[str], noun: str, plural: str, where: str) -> SnError:
        folded = {fold_name(name): name for name in names}
        near = folded.get(fold_name(self.text))
        hint = f'write "{near}", as it is spelled there' if near else suggest(self.text, list(names), plural)
        return fail(f'{where} has no {noun} "{self.text}"', self.span, hint=hint)


@dataclass(frozen=True)
class ReaderOptions:
    """The options of a reader's form. None, () and False: not stated.

    `test`: a part below 1, or a number of patterns; `spans`: where each option stands, by its word.
    """

    label: NamePattern | None = None
    target: tuple[NamePattern, ...] = ()
    ignore: tuple[NamePattern, ...] = ()
    test: float | None = None
    folds: int | None = None
    split_seed: int = SPLIT_SEED
    range: tuple[float, float] | None = None
    standardize: bool = False
    size: tuple[int, int] | None = None
    invert: bool = False
    classes: tuple[NamePattern, ...] = ()
    starts: tuple[int, ...] = ()
    sequence: NamePattern | None = None
    spans: Mapping[str, Span] = field(default_factory=dict, compare=False)

    @property
    def are_stated(self) -> bool:
        """Whether any option is stated."""
        return self != ReaderOptions()

    def only(self, words: Sequence[str]) -> ReaderOptions:
        """Return these options without those that another reader does not understand."""
        fresh = ReaderOptions()
        dropped = [word for word in self.spans if word not in words]
        spans = {word: span for word, span in self.spans.items() if word in words}
        changes = {field_name(word): getattr(fresh, field_name(word)) for word in dropped}
        return replace(self, spans=spans, **changes)


def field_name(word: str) -> str:
    """Return the field of `ReaderOptions` that an option's word sets."""
    return word.replace("-", "_")


@dataclass(frozen=True)
class OwnData:
    """A user's own files.

    Parameters
    ----------
    reader : str
        The name of the reader; "" if the file is to be recognised.
    files : tuple of str
        As they are written: in a description relative to its folder, from the command line absolute.
    options : ReaderOptions
    anywhere : bool
        The files were named on the command line: they may lie in any folder.
    """

    reader: str
    files: tuple[str, ...]
    options: ReaderOptions = ReaderOptions()
    anywhere: bool = False


def quoted(names: Sequence[str], most: int = 12) -> str:
    """Return names as a list in a sentence."""
    return listed(names, len(names), most)
