"""Tolerant models of what the server answers: unknown fields and words are kept, never fatal."""
