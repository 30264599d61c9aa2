"""The scorecard: what the package promises of money, people and the event loop, measured. See `__main__`."""
