"""The command line: one file for each command. A new command is a file here and a line in COMMANDS of main.py."""
