"""Serve editors through the language server: colours, completion, hover help, and faults while typing."""
