"""Data sets by name, and readers of a user's own files."""
