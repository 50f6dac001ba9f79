"""The reference engine: NumPy, from explicit tables of connections."""
