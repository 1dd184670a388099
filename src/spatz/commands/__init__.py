"""The commands, one file each. They are the top of the package: nothing imports them but cli.py."""
