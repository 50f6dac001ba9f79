"""The old path of snsim.network.connect_options, from which schemes import `Statement`. New code uses snsim.plugins."""

from snsim.network.connect_options import Border, Statement, check_windows
from snsim.network.connect_options import no_geometry_error as no_geometry

__all__ = ["Border", "Statement", "check_windows", "no_geometry"]
