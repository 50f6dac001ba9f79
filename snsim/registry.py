"""Keep named things with a line of help: everything that can be added to snsim is on a `Shelf`.

Built-in shelves are filled when their module is imported and do not change afterwards. A program that declares names
gets a `child` of each shelf, so that one file does not see what another declares.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from snsim.errors import MOST_FAULTS, ShownWarning, SnError, Span, fail
from snsim.todays_words import NAMES_HERE, name_for, term_for

T = TypeVar("T")
Value = TypeVar("Value", covariant=True)


class HiddenPluginWarning(ShownWarning):
    """A plug-in has a name that is taken, so that nobody can use it."""


@dataclass(frozen=True)
class Entry(Generic[Value]):
    """A named thing on a shelf, with its line of help."""

    name: str
    doc: str
    value: Value
    span: Span | None = None  # where a program declared it; None for what is built in


class Shelf(Generic[T]):
    """Things of one kind by name.

    `kind` is the word for one of them in messages ("scheme"). `plugins` is the entry point group by which installed
    packages add things. They are loaded only when a name is not found or all names are listed. A plug-in that cannot be
    loaded, or whose value is not a `plugin_type`, is not listed; `get` says why. One whose name is taken is not used:
    a `HiddenPluginWarning` says so, once.
    """

    def __init__(
        self,
        kind: str,
        plugins: str | None = None,
        parent: Shelf[T] | None = None,
        plural: str | None = None,
        plugin_type: type | None = None,
    ):
        self.kind = kind
        self.plural = plural or f"{kind}s"
        self._plugins = plugins
        self._plugin_type = plugin_type
        self._unusable: dict[str, str] = {}  # the name of a plug-in: why it cannot be used
        self._parent = parent
        self._rest: Callable[[Shelf[T]], None] | None = None
        self._entries: dict[str, Entry[T]] = {}
        self._broken: set[str] = set()
        self._unknown = 0  # how many unknown names `suggest` has answered
        self._replaced: Callable[[Entry[T], Entry[T]], None] | None = None

    def child(self) -> Shelf[T]:
        """Return a shelf that sees everything on this one. What is added to it is not seen here."""
        return Shelf(self.kind, parent=self, plural=self.plural)

    def in_cell(self, cell: str) -> Shelf[T]:
        """Return this shelf as the body of a `grid` sees it: names declared there end with the cell.

        Inside the cell they are found by their short name too. Without a cell it is the shelf itself.
        """
        return _CellShelf(self, cell) if cell else self

    def declared_name(self, name: str) -> str:
        """Return the full name of what a form declares as `name`."""
        return name

    def replace_by(self, replaced: Callable[[Entry[T], Entry[T]], None]) -> None:
        """Allow names on this shelf to be replaced from now on. `replaced` gets the old entry and the new one."""
        self._replaced = replaced

    def add(self, name: str, value: T, doc: str, span: Span | None = None) -> T:
        """Put a thing on the shelf. SnError, with both places, if the name is taken."""
        self.check_free(name, span)
        before = self._entries.pop(name, None)
        self._entries[name] = Entry(name, doc, value, span)
        self._broken.discard(name)
        if before is not None and self._replaced is not None:
            self._replaced(before, self._entries[name])
        return value

    def _is_replaceable(self, name: str) -> bool:
        """Tell whether the shelf that has the name, this one or a parent, allows it to be replaced."""
        if name in self._entries:
            return self._replaced is not None
        return self._parent is not None and self._parent._is_replaceable(name)

    def check_free(self, name: str, span: Span | None = None) -> None:
        """SnError, with both places, if the name is taken."""
        holder = self._find(name)
        if holder is not None and not self._is_replaceable(name):
            also = () if holder.span is None else (("first declared here", holder.span),)
            where = "" if holder.span is not None else " (it is built in)"
            raise fail(
                f'"{name}" is already the name of another {self.kind}{where}',
                span,
                hint=f"write another name, such as my-{name}",
                also=also,
            )

    def register(self, name: str, doc: str | None = None) -> Callable[[T], T]:
        """Return a decorator that puts a function on the shelf, with `doc` or its docstring as help."""

        def put(value: T) -> T:
            return self.add(name, value, doc if doc is not None else (value.__doc__ or "").strip().split("\n")[0])

        return put

    def mark_broken(self, name: str) -> None:
        """Remember a name whose declaration has faults, so that its uses are not reported as unknown too."""
        self._broken.add(name)

    def forget_broken(self) -> None:
        """Forget the names of faulty declarations: from now on their uses are reported as unknown."""
        self._broken.clear()
        self._unknown = 0

    def is_broken(self, name: str) -> bool:
        """Tell whether the declaration of a name has faults."""
        return name in self._broken

    def entry(self, name: str) -> Entry[T] | None:
        """Return the entry with this name, or None. Plug-ins are loaded if no other entry has it."""
        entry = self._find(name)
        if entry is None and self._parent is not None:
            entry = self._parent.entry(name)
        if entry is None and self._plugins is not None:
            self._load_plugins(self._plugins)
            entry = self._entries.get(name)
        return entry

    def _find(self, name: str) -> Entry[T] | None:
        """Return the entry with this name, here or on a parent, or None. Plug-ins are not loaded."""
        entry = self._entries.get(name)
        if entry is None and self._parent is not None:
            entry = self._parent._find(name)
        if entry is None and self._rest is not None:
            self._add_rest()
            entry = self._entries.get(name)
        return entry

    def add_later(self, rest: Callable[[Shelf[T]], None]) -> None:
        """Add things that are slow to import: `rest` is called once, when a name is not found or all are listed."""
        self._rest = rest

    def _add_rest(self) -> None:
        if self._rest is not None:
            add, self._rest = self._rest, None
            add(self)

    @property
    def lacks_rest(self) -> bool:
        """Whether things that are slow to import are still missing, because nothing asked for them."""
        return self._rest is not None

    def present(self) -> Iterator[Entry[T]]:
        """Yield the entries as `__iter__` does, without those that are slow to import and not there yet."""
        if self._parent is not None:
            yield from self._parent
        yield from self._entries.values()

    def __contains__(self, name: str) -> bool:
        return self.entry(name) is not None or name in self._unusable

    def __iter__(self) -> Iterator[Entry[T]]:
        """Yield built-in entries first, then declared ones, each in the order in which they were added."""
        self._add_rest()
        if self._plugins is not None:
            self._load_plugins(self._plugins)
        if self._parent is not None:
            yield from self._parent
        yield from self._entries.values()

    def names(self) -> list[str]:
        """Return all names, in the order of the entries."""
        return [entry.name for entry in self]

    def own(self) -> list[Entry[T]]:
        """Return the entries that were added to this shelf itself, without those of its parent."""
        return list(self._entries.values())

    def get(self, name: str, span: Span | None = None) -> T:
        """Return the thing with this name. SnError with the nearest name and all valid ones if there is none.

        For a name whose declaration has faults, the error has no fault: the declaration was reported already.
        """
        entry = self.entry(name)
        if entry is not None:
            return entry.value
        if self.is_broken(name):
            raise SnError(())
        if name in self._unusable:
            raise fail(
                f'the {self.kind} "{name}" cannot be used: {self._unusable[name]}',
                span,
                hint="update or uninstall the package, or choose another name",
            )
        raise fail(f'unknown {self.kind} "{name}"', span, hint=self.suggest(name))

    def suggest(self, name: str, more: Iterable[str] = ()) -> str:
        """Return the hint for an unknown name: the nearest name of the shelf and of `more`, then all of them.

        A shelf of a program answers only MOST_FAULTS times and returns "" afterwards: further faults are not shown, and
        each search goes through all names.
        """
        self._unknown += self._parent is not None
        return suggest(name, [*more, *self.names()], self.plural) if self._unknown <= MOST_FAULTS else ""

    def _load_plugins(self, group: str) -> None:
        from importlib import metadata  # slow to import, and most programs need no plug-in

        self._plugins = None  # once
        holders: dict[str, str] = {}  # the name of a plug-in: its package
        for point in metadata.entry_points(group=group):
            package = "a plug-in" if point.dist is None else f"the package {point.dist.name} {point.dist.version}"
            if point.name in self._entries:
                self._warn_of_hidden(point.name, package, holders.get(point.name, "snsim"))
                continue
            try:
                value = point.load()
            except Exception as error:  # a plug-in may raise anything
                self._unusable[point.name] = f"{package} fails with {type(error).__name__}: {error}"
                continue
            if self._plugin_type is not None and not isinstance(value, self._plugin_type):
                self._unusable[point.name] = (
                    f"{point.value} of {package} is of the type {type(value).__name__}, "
                    f"not {self._plugin_type.__name__}"
                )
                continue
            self.add(point.name, value, (value.__doc__ or "").strip().split("\n")[0])
            holders[point.name] = package

    def _warn_of_hidden(self, name: str, package: str, holder: str) -> None:
        warnings.warn(
            HiddenPluginWarning(
                f"the {self.kind} {name} of {package} is hidden by that of {holder}",
                f"rename it to my-{name} in the package and in descriptions, or uninstall the package",
            ),
            stacklevel=2,
        )


_CELL = "@"  # between a name and the cell of a design


class _CellShelf(Shelf[T]):
    """A shelf as one cell of a design sees it: what is added goes to the whole shelf.

    Names of the cell end with `@` and the cell. A name is looked for with this end first, then as it stands.
    """

    def __init__(self, whole: Shelf[T], cell: str):
        super().__init__(whole.kind, parent=whole, plural=whole.plural)
        self._whole = whole
        self._cell = cell

    def declared_name(self, name: str) -> str:
        return f"{name}{_CELL}{self._cell}"

    def add(self, name: str, value: T, doc: str, span: Span | None = None) -> T:
        return self._whole.add(name, value, doc, span)

    def _find(self, name: str) -> Entry[T] | None:
        return self._whole._find(self.declared_name(name)) or self._whole._find(name)

    def mark_broken(self, name: str) -> None:
        self._whole.mark_broken(name)

    def is_broken(self, name: str) -> bool:
        return self._whole.is_broken(self.declared_name(name)) or self._whole.is_broken(name)

    def suggest(self, name: str, more: Iterable[str] = ()) -> str:
        return self._whole.suggest(name, more)


def split_cell(name: str) -> tuple[str, str]:
    """Return the name that a form states, and the cell of a design in which it stands ("" outside of one)."""
    stated, _, cell = name.partition(_CELL)
    return stated, cell


def nearest(name: str, names: list[str]) -> str | None:
    """Return the name that a word of today stands for, or that is most like a misspelt one; None if there is none."""
    if known := name_for(name, names):
        return known
    import difflib  # which only a misspelt name needs

    return next(iter(difflib.get_close_matches(name, names, n=1)), None) if name else None


def suggest(name: str, names: list[str], plural: str, most: int = 40) -> str:
    """Return the hint for an unknown name: the nearest valid name, then all of them, at most `most`.

    A word of today, such as `epochs`, has the name that stands for it as its nearest. Where that name is not valid at
    this place, the hint tells which it is.
    """
    term, near = term_for(name), nearest(name, names)
    start = f'did you mean "{near}"?  ' if near else ""
    if near is None and term is not None and not NAMES_HERE.isdisjoint(names):  # not the user's own names
        start = f'"{name}" is called "{term.here[0]}" here: snsim help {term.here[0]}.  '
    if not names:
        return f"{start}there are no {plural} yet"
    return f"{start}{plural}: {listed(names, len(names), most)}"


def listed(names: Iterable[str], count: int, most: int = 40) -> str:
    """Return the first `most` of `count` names as a list in a sentence, and how many more there are."""
    more = "" if count <= most else f" and {count - most} more"
    return ", ".join(islice(names, most)) + more
