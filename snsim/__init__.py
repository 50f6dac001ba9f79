"""Describe, check, show and train neural networks in the Lisp of SN (Bottou and LeCun, 1988).

net = snsim.load("runs/lecun89")                   a trained net as a torch.nn.Module; a .sn file: not trained yet
net.predict(images)                                the names of their classes; net(images) returns the outputs
opt = net.optimizer()                              a torch.optim.Optimizer with the update rule and rates of a training
x, y, tx, ty = snsim.load_data("zipcode")          arrays of a data set, or of your own file or folder
snsim.run("nets/lecun89.sn", passes=3).finish()    train, and write a run folder as `snsim run` does
snsim.compare("nets/mine.sn", my_module)           tell whether a PyTorch module trains the same, step by step
program = snsim.read_program("nets/lecun89.sn")    what the file declares: nets, tables, trainings

Where a part of snsim lives, and where an addition goes (CONTRIBUTING.md has the whole table):

network/    layers, connections: schemes.py, prelude.sn (non-linearities), net_form.py (clauses of `net`)
training/   learning: initial.py, criteria.py, forms/prelude.sn (costs, update rules), forms/ (clauses of `train`)
data/       catalog.py (data sets), readers/ (a user's own files)
engines/    the ways to compute a net: native/, reference/, torch/
language/   SN's Lisp; builtins/ has its functions
runtime/    files, random numbers and settings of a program, for the words of SN-2.8 and of Lush
sn28/       the words of SN-2.8, by subject
lush/       the words of Lush: idx objects, the modules of gblearn2
plots/      one file for each picture; registry.py lists them
cli/        one file for each command; main.py lists them
"""

from importlib import import_module

__version__ = "0.1.0"

_MODULE_OF = {
    "load": "snsim.api",
    "load_data": "snsim.api",
    "run": "snsim.api",
    "read_program": "snsim.program",
    "SnError": "snsim.errors",
    "compare": "snsim.comparison.compare",
    "compare_engines": "snsim.comparison.compare",
}
__all__ = ["SnError", "__version__", "compare", "compare_engines", "load", "load_data", "read_program", "run"]


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> object:
    # Imported at first use, so that `import snsim` is fast and does not import torch.
    if name in _MODULE_OF:
        return getattr(import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module 'snsim' has no attribute {name!r}")
