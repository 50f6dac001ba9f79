"""`%load_ext snsim.notebook`: the name of the notebook extension, which is snsim.prompt.notebook."""

from snsim.prompt.notebook import load_ipython_extension

__all__ = ["load_ipython_extension"]
