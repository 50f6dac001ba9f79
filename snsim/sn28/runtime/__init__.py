"""The environment of an SN-2.8 program: files, random numbers, library variables and system calls."""
