"""Every name that means something, with its help."""
