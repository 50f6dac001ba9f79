"""What SN-2.8 programs find round them: files, random numbers, settings, system."""
