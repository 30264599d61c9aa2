"""The three ways in which a durable job submits contacts."""
