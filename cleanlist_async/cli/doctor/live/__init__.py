"""``doctor --live``: finds out by asking what the documentation of the API leaves open."""
