"""The commands `enrich`, `collect`, `plan` and `validate`."""
