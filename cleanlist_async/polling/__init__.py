"""Asks for the results of open workflows at the right time."""
