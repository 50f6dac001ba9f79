"""The functions and special forms of the language, one file a family. Importing this fills the shelf CORE."""

from snsim.language.core import (
    control,
    definitions,
    lists,
    matrices,
    matrix_arithmetic,
    number_lists,
    numbers,
    objects,
    output,
    predicates,
    strings,
    views,
)
from snsim.language.functions import CORE

__all__ = ["CORE", "control", "definitions", "lists", "matrices", "matrix_arithmetic", "number_lists", "numbers",
           "objects", "output", "predicates", "strings", "views"]
