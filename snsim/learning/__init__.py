"""Only an old name of `training`, kept for plug-ins that import `snsim.learning.criteria`. Nothing is added here."""
