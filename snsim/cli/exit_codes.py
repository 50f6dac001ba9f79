"""Exit codes of the command line: of a fault in the program or the data, of a wrong call, of a fault of snsim."""

FAULT, USAGE, OWN_FAULT, INTERRUPTED, BROKEN_PIPE = 1, 2, 70, 130, 141
