"""Words of SN-2.8 that train and measure nets, such as `run` and `perf`. Declared trainings are in `snsim/training`."""
