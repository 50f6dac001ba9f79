"""The reference engine: NumPy, from explicit tables of connections."""

from snsim.engines.reference.engine import ReferenceEngine

__all__ = ["ReferenceEngine"]
