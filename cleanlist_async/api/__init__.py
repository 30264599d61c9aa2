"""The operations of the API, one file per group: thin and typed, without policy."""
