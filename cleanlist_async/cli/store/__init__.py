"""The commands on the store of what was bought."""
