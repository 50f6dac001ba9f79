"""Register the functions and special forms of the Lisp, one file for each family. A new Lisp function is added here."""

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
