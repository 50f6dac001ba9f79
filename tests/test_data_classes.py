"""`snsim.data_classes.dataclass` behaves as that of the standard library, which is the oracle here."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import inspect
import pickle
import pkgutil
from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar

import pytest

import snsim
from snsim import data_classes

Decorator = Callable[..., Any]
DECORATORS = (dataclasses.dataclass, data_classes.dataclass)


def build(dataclass: Decorator, **options: bool) -> Any:
    """Return a class with every kind of field that snsim uses."""

    @dataclass(frozen=True, **options)
    class Point:
        """A point with a name."""

        kind: ClassVar[str] = "plane"
        x: float
        y: float = 0.0
        names: list[str] = dataclasses.field(default_factory=list)
        note: str = dataclasses.field(default="none", compare=False, repr=False)
        number: int = dataclasses.field(default=7, init=False)
        made: dict[str, int] = dataclasses.field(default_factory=dict, init=False)
        _: dataclasses.KW_ONLY
        far: bool = False

        @cached_property
        def length(self) -> float:
            return (self.x**2 + self.y**2) ** 0.5

    return Point


@pytest.mark.parametrize("options", [{}, {"eq": False}], ids=str)
def test_values_signature_and_text_are_those_of_the_standard_library(options: dict[str, bool]) -> None:
    expected, built = (build(decorator, **options) for decorator in DECORATORS)
    assert str(inspect.signature(built)) == str(inspect.signature(expected))
    assert inspect.get_annotations(built.__init__) == inspect.get_annotations(expected.__init__)
    assert built.__match_args__ == expected.__match_args__ and built.__doc__ == expected.__doc__
    assert [f.name for f in dataclasses.fields(built)] == [f.name for f in dataclasses.fields(expected)]
    for arguments, named in (((3.0, 4.0), {}), ((1,), {"names": ["a"], "far": True}), ((1, 2, ["b"], "n"), {})):
        old, new = expected(*arguments, **named), built(*arguments, **named)
        assert repr(new) == repr(old) and dataclasses.asdict(new) == dataclasses.asdict(old) and vars(new) == vars(old)
        assert new.length == old.length and new.names is not built(1.0).names
        assert repr(dataclasses.replace(new, y=5.0)) == repr(dataclasses.replace(old, y=5.0))
        assert repr(copy.copy(new)) == repr(copy.deepcopy(new)) == repr(old)
        assert (built(*arguments, **named) == new) is (expected(*arguments, **named) == old)
    for wrong in ((), (1, 2, [], "n", 7)):
        with pytest.raises(TypeError):
            built(*wrong)


@pytest.mark.parametrize("decorator", DECORATORS)
def test_equality_and_hash_see_the_fields_that_compare(decorator: Decorator) -> None:
    @decorator(frozen=True)
    class Pair:
        a: int
        b: int
        note: str = dataclasses.field(default="", compare=False)

    @decorator(frozen=True)
    class One:
        a: int

    @decorator(frozen=True, eq=False)
    class Same:
        a: int

    @decorator(frozen=True)
    class Own:
        a: int

        def __hash__(self) -> int:
            return 5

        def __repr__(self) -> str:
            return "own"

    assert Pair(1, 2, "x") == Pair(1, 2, "y") != Pair(1, 3) and hash(Pair(1, 2, "x")) == hash((1, 2))
    assert hash(One(4)) == hash((4,)) and One(4) == One(4) and One(4) != Pair(4, 4) and One(4) != (4,)
    assert Same(1) != Same(1) and len({Same(1), Same(1)}) == 2
    assert hash(Own(1)) == 5 and repr(Own(1)) == "own" and Own(1) == Own(1)


@pytest.mark.parametrize("decorator", DECORATORS)
def test_a_frozen_object_refuses_changes_and_a_derived_class_may_add_attributes(decorator: Decorator) -> None:
    @decorator(frozen=True)
    class Fixed:
        a: int

        def __post_init__(self) -> None:
            if self.a < 0:
                raise ValueError("negative")

    class Derived(Fixed):
        pass

    @decorator(frozen=True)
    class Longer(Fixed):
        b: int = 2

    with pytest.raises(ValueError, match="negative"):
        Fixed(-1)
    for each in (Fixed(1), Derived(1), Longer(1)):
        with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'a'"):
            each.a = 2
        with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'a'"):
            del each.a
    with pytest.raises(dataclasses.FrozenInstanceError):
        Fixed(1).other = 2
    derived = Derived(1)
    derived.other = 2  # type: ignore[attr-defined]
    assert vars(derived) == {"a": 1, "other": 2} and vars(Longer(1)) == {"a": 1, "b": 2}
    with pytest.raises(TypeError, match="cannot inherit non-frozen dataclass from a frozen one"):

        @decorator
        class Changed(Fixed):
            c: int = 3


def test_other_options_give_the_classes_of_the_standard_library() -> None:
    @data_classes.dataclass
    class Free:
        a: int = 1

    @data_classes.dataclass(frozen=True, slots=True)
    class Slots:
        a: int = 1

    free = Free()
    free.a = 2
    assert free == Free(2) and repr(free).endswith("Free(a=2)") and not hasattr(Slots(), "__dict__")


def test_all_frozen_classes_of_snsim_pickle_by_their_names() -> None:
    """Each class is found again by its module and name, as workers need it, and has the signature of its fields."""
    count = 0
    for module in pkgutil.walk_packages([*snsim.__path__], "snsim."):
        if module.name.split(".")[1] not in ("network", "engines", "training", "data") or ".torch" in module.name:
            continue
        for each in vars(importlib.import_module(module.name)).values():
            parameters = getattr(each, "__dataclass_params__", None)
            if isinstance(each, type) and each.__module__ == module.name and parameters and parameters.frozen:
                count += 1
                assert pickle.loads(pickle.dumps(each)) is each
                names = [f.name for f in dataclasses.fields(each) if f.init]
                assert list(inspect.signature(each).parameters) == names
    assert count > 50
