"""What words of SN-2.8 need from the system: files, random numbers, library variables, the decorators of words."""
