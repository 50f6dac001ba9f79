"""Run programs of Lush, SN's successor: idx objects, their words, and gblearn2's modules on top of them."""

from snsim.lush import arithmetic_words, idx_words, language, loops, matrix_files, modules, net_of, typed_words
from snsim.lush.dialect import begin, switching
from snsim.lush.modules import CLASSES
from snsim.lush.vocabulary import LUSH

__all__ = [
    "CLASSES",
    "LUSH",
    "arithmetic_words",
    "begin",
    "idx_words",
    "language",
    "loops",
    "matrix_files",
    "modules",
    "net_of",
    "switching",
    "typed_words",
]
