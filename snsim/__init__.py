"""Describe, check, show and train neural networks in the Lisp of SN (Bottou and LeCun, 1988).

module = snsim.load("nets/lecun89.sn")             a torch.nn.Module
program = snsim.read_program("nets/lecun89.sn")    what the file declares: nets, tables, trainings
snsim.compare("nets/mine.sn", my_module)           tell whether a PyTorch module trains the same, step by step
"""

from importlib import import_module

__version__ = "0.1.0"

_MODULE_OF = {
    "load": "snsim.api",
    "read_program": "snsim.program",
    "SnError": "snsim.errors",
    "compare": "snsim.comparison.compare",
    "compare_engines": "snsim.comparison.compare",
}
__all__ = ["SnError", "__version__", "compare", "compare_engines", "load", "read_program"]


def __getattr__(name: str) -> object:
    # Imported at first use, so that `import snsim` is fast and does not import torch.
    if name in _MODULE_OF:
        return getattr(import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module 'snsim' has no attribute {name!r}")
