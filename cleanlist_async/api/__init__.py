"""The API's operations, one file per group: thin, typed, no policy."""
