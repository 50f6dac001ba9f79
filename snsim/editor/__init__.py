"""Serve editors: colours, completion, hover help, and faults while typing."""
