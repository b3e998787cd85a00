"""The command `bth`."""
