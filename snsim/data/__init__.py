"""Data sets by name (catalog.py), and readers of a user's own files (readers/). Each new one is added there."""
