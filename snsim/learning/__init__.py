"""Keep `snsim.learning.criteria` valid, the old path of snsim.training.criteria; new code uses snsim.plugins."""
