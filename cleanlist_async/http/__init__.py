"""The path of one request: admit, send, decode, and retry or return."""
