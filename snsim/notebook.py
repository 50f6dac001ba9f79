"""Load the notebook extension by its short name: `%load_ext snsim.notebook`."""

from snsim.prompt.notebook import load_ipython_extension

__all__ = ["load_ipython_extension"]
