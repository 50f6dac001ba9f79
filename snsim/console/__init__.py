"""A run shown while it goes: plain lines, a live table, JSON, TensorBoard."""
