"""The old home of snsim.training.criteria, for plug-ins that import from here. New code imports from snsim.plugins."""
