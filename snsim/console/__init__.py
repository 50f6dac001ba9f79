"""Show a run in progress: plain lines, a live table, JSON, TensorBoard."""
