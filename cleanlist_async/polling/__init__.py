"""Asks for the results of open workflows, each at the right time."""
