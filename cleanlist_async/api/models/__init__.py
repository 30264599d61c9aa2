"""Tolerant models of the server's answers: unknown fields and words are kept, and never an error."""
