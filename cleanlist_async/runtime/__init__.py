"""What a client is built on: its options and life cycle, and the parts that it owns while it is open."""
