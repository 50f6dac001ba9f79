"""snsim: networks described in SN's Lisp (Bottou and LeCun, 1988), checked, shown and trained.

module = snsim.load("nets/lecun89.sn")             a plain torch.nn.Module
program = snsim.read_program("nets/lecun89.sn")    what the file declares: nets, tables, trainings
snsim.compare("nets/mine.sn", my_module)           whether a hand-coded module learns the same, step by step
"""

from importlib import import_module

__version__ = "0.1.0"

_HOMES = {
    "load": "snsim.api",
    "read_program": "snsim.program",
    "SnError": "snsim.errors",
    "compare": "snsim.comparison.compare",
    "compare_engines": "snsim.comparison.compare",
}
__all__ = ["SnError", "__version__", "compare", "compare_engines", "load", "read_program"]


def __getattr__(name: str) -> object:
    # Looked up when first asked for, so that `import snsim` is quick and brings no torch.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'snsim' has no attribute {name!r}")
