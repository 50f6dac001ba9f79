"""Named things with a one-line doc: the one way in which snsim keeps what can be added to.

Built-in shelves are filled when their module is imported and are constants from then on; a program that declares
names of its own gets a `child`, so that nothing declared in one file is seen by another.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from snsim.errors import MOST_FAULTS, SnError, Span, fail

T = TypeVar("T")
Kept = TypeVar("Kept", covariant=True)


@dataclass(frozen=True)
class Entry(Generic[Kept]):
    name: str
    doc: str
    value: Kept
    span: Span | None = None  # where a program declared it; None for what is built in


class Shelf(Generic[T]):
    """Things of one kind by name.

    `kind` is the word used in sentences ("scheme"). `plugins` names the entry point group under which installed
    packages may add things; they are looked for only when a name is not found or all are listed. A plug-in that
    cannot be loaded, or whose thing is no `plugin_type`, is not listed, and `get` of its name says why.
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
        self._unusable: dict[str, str] = {}  # by name of a plug-in: why it cannot be used
        self._parent = parent
        self._entries: dict[str, Entry[T]] = {}
        self._broken: set[str] = set()
        self._unknown = 0  # how often the nearest of the names of a program was looked for
        self._replaced: Callable[[Entry[T], Entry[T]], None] | None = None

    def child(self) -> Shelf[T]:
        """A shelf that sees everything here and keeps its own additions to itself."""
        return Shelf(self.kind, parent=self, plural=self.plural)

    def replace_by(self, replaced: Callable[[Entry[T], Entry[T]], None]) -> None:
        """From now on a name on this very shelf may be taken again: `replaced` is told what was and what is there."""
        self._replaced = replaced

    def add(self, name: str, value: T, doc: str, span: Span | None = None) -> T:
        """Put a thing on the shelf. A name that is taken is refused with both places."""
        self.check_free(name, span)
        before = self._entries.pop(name, None)
        self._entries[name] = Entry(name, doc, value, span)
        self._broken.discard(name)
        if before is not None and self._replaced is not None:
            self._replaced(before, self._entries[name])
        return value

    def _gives_way(self, name: str) -> bool:
        """Whether the name is on this shelf, or a parent, that lets it be taken again."""
        if name in self._entries:
            return self._replaced is not None
        return self._parent is not None and self._parent._gives_way(name)

    def check_free(self, name: str, span: Span | None = None) -> None:
        """SnError, with both places, if the name is taken."""
        taken = self._here(name)
        if taken is not None and not self._gives_way(name):
            also = () if taken.span is None else (("first declared here", taken.span),)
            where = "" if taken.span is not None else " (it is built in)"
            raise fail(
                f'"{name}" is the name of another {self.kind} already{where}',
                span,
                hint=f"write another name, such as my-{name}",
                also=also,
            )

    def register(self, name: str, doc: str | None = None) -> Callable[[T], T]:
        """Decorator: put a function on the shelf under `name`; its docstring's first line is the doc."""

        def put(value: T) -> T:
            return self.add(name, value, doc if doc is not None else (value.__doc__ or "").strip().split("\n")[0])

        return put

    def mark_broken(self, name: str) -> None:
        """Remember a name whose declaration had faults, so that uses of it are not reported as unknown too."""
        self._broken.add(name)

    def forget_broken(self) -> None:
        """What was reported is done with: from now on a use of such a name is an unknown one."""
        self._broken.clear()
        self._unknown = 0

    def is_broken(self, name: str) -> bool:
        return name in self._broken

    def entry(self, name: str) -> Entry[T] | None:
        """What is called `name`, or None; installed packages are asked last."""
        found = self._here(name)
        if found is None and self._parent is not None:
            found = self._parent.entry(name)
        if found is None and self._plugins is not None:
            self._load_plugins(self._plugins)
            found = self._entries.get(name)
        return found

    def _here(self, name: str) -> Entry[T] | None:
        """What is called `name` here or on a parent, without a look at installed packages."""
        found = self._entries.get(name)
        return self._parent._here(name) if found is None and self._parent is not None else found

    def __contains__(self, name: str) -> bool:
        return self.entry(name) is not None or name in self._unusable

    def __iter__(self) -> Iterator[Entry[T]]:
        """Built-in things first, then what was declared, each in order of arrival."""
        if self._plugins is not None:
            self._load_plugins(self._plugins)
        if self._parent is not None:
            yield from self._parent
        yield from self._entries.values()

    def names(self) -> list[str]:
        return [entry.name for entry in self]

    def own(self) -> list[Entry[T]]:
        """What was added to this very shelf, without its parent's."""
        return list(self._entries.values())

    def get(self, name: str, span: Span | None = None) -> T:
        """The thing called `name`; SnError with the nearest name and the list of valid ones if there is none.

        For a name whose declaration had faults the error carries no fault: those were reported where they are.
        """
        found = self.entry(name)
        if found is not None:
            return found.value
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
        """Return the remedy for an unknown name: the nearest of the shelf and of `more`, then all of them.

        On the shelf of a program, empty for all but the first unknown names: no more faults are shown, and each takes a
        way through all names.
        """
        self._unknown += self._parent is not None
        return suggest(name, [*more, *self.names()], self.plural) if self._unknown <= MOST_FAULTS else ""

    def _load_plugins(self, group: str) -> None:
        from importlib import metadata  # not needed by most programs, and slow to import

        self._plugins = None  # once
        for point in metadata.entry_points(group=group):
            if point.name in self._entries:
                continue
            package = "a plug-in" if point.dist is None else f"the package {point.dist.name} {point.dist.version}"
            try:
                value = point.load()
            except Exception as error:  # of a module that somebody else wrote
                self._unusable[point.name] = f"{package} fails with {type(error).__name__}: {error}"
                continue
            if self._plugin_type is not None and not isinstance(value, self._plugin_type):
                self._unusable[point.name] = (
                    f"{point.value} of {package} is of the type {type(value).__name__}, "
                    f"not {self._plugin_type.__name__}"
                )
                continue
            self.add(point.name, value, (value.__doc__ or "").strip().split("\n")[0])


def suggest(name: str, names: list[str], plural: str, most: int = 40) -> str:
    """The remedy for an unknown name: the nearest valid one, then all of them."""
    near = difflib.get_close_matches(name, names, n=1) if name else []
    start = f'did you mean "{near[0]}"?  ' if near else ""
    if not names:
        return f"{start}there are no {plural} yet"
    return f"{start}{plural}: {listed(names, len(names), most)}"


def listed(names: Iterable[str], count: int, most: int = 40) -> str:
    """Return the first of `count` names as a list in a sentence, and how many more there are."""
    more = "" if count <= most else f" and {count - most} more"
    return ", ".join(islice(names, most)) + more
