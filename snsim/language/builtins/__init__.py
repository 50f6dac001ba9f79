"""The functions and special forms of the language, one file a family. Importing this fills the shelf CORE."""

from snsim.language.builtins import (
    arithmetic,
    control,
    definitions,
    lists,
    matrices,
    matrix_arithmetic,
    objects,
    output,
    predicates,
    strings,
    vectors_as_lists,
    views,
)
from snsim.language.procedures import CORE

__all__ = [
    "CORE",
    "arithmetic",
    "control",
    "definitions",
    "lists",
    "matrices",
    "matrix_arithmetic",
    "objects",
    "output",
    "predicates",
    "strings",
    "vectors_as_lists",
    "views",
]
