"""Words of SN-2.8 that open windows, draw and plot."""
