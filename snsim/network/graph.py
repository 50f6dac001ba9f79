"""The old path of snsim.network.net, from which plug-ins import `Layer` and `Net`. New code uses snsim.plugins."""

from snsim.network.net import (
    BIAS,
    BORDER,
    Attention,
    Connection,
    Counts,
    Dense,
    Frames,
    Layer,
    Net,
    Nlf,
    Normalization,
    Parameter,
    Structure,
    Table,
    Transform,
    Windows,
    Wiring,
)

__all__ = [
    "BIAS", "BORDER", "Attention", "Connection", "Counts", "Dense", "Frames", "Layer", "Net", "Nlf", "Normalization",
    "Parameter", "Structure", "Table", "Transform", "Windows", "Wiring",
]
