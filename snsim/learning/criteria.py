"""The old path of snsim.training.criteria, which the README named to plug-ins. New code uses snsim.plugins."""

from snsim.training.criteria import CRITERIA, Criterion, Right, criterion

__all__ = ["CRITERIA", "Criterion", "Right", "criterion"]
