"""What was bought, in one database behind all doors: a SQLite file, or PostgreSQL."""
