"""One training with one seed, from its start to its run folder; and going on with one."""
