"""The durable job's journal: the SQLite file and what stands in it."""
