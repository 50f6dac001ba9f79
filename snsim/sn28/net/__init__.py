"""Words of SN-2.8 that build a net and compute with it."""
