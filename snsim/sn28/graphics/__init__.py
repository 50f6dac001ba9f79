"""Windows, drawing words and plots of SN-2.8."""
