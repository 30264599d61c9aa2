"""The commands `lists` and `list`."""
