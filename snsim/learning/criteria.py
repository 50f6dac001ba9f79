"""Keep the old path of snsim.training.criteria valid for plug-ins; new code uses snsim.plugins."""

from snsim.training.criteria import CRITERIA, Criterion, Right, criterion

__all__ = ["CRITERIA", "Criterion", "Right", "criterion"]
