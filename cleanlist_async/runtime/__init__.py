"""What a client is built on, and the parts that it owns while it is open."""
