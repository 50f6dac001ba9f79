"""Keep the old path of snsim.network.connect_options valid for plug-ins, which import `Statement`."""

from snsim.network.connect_options import Border, Statement, check_windows
from snsim.network.connect_options import no_geometry_error as no_geometry

__all__ = ["Border", "Statement", "check_windows", "no_geometry"]
