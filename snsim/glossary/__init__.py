"""Look up every name that has a meaning in a program, with its help, for `list`, `help` and editors."""
