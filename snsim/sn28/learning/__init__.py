"""Words of SN-2.8 that train and test nets."""
