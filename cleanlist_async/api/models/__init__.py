"""Tolerant models of the server's answers: what is unknown is kept, and never an error."""
