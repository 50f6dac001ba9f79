"""Words of SN-2.8 that build a net, read and set its fields, and save its weights."""
