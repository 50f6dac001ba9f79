"""Show a run while it goes on: plain lines, a live table, JSON, TensorBoard. A new display is a `View` here."""
