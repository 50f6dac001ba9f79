"""Exit codes of the command line.

FAULT: an error in the program or the data. USAGE: a wrong call. OWN_FAULT: an error of snsim.
"""

FAULT, USAGE, OWN_FAULT, INTERRUPTED, BROKEN_PIPE = 1, 2, 70, 130, 141
