"""What stands behind each command of `snsim.cli`: the text it prints."""
