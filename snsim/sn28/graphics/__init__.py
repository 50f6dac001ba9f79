"""Windows, drawing and plots of SN-2.8."""
