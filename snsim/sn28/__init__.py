"""The words of SN-2.8 over the same nets, data and engines. Importing this fills the shelf SN28.

A function that a program may re-plug is looked up by its name when it is called (`interpreter.call`), as all are in
SN; what words keep from call to call are parts of the interpreter (`interpreter.part`).
"""

from snsim.sn28.vocabulary import SN28

__all__ = ["SN28"]
