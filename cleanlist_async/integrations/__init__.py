"""Integrations; each needs its own extra and is imported on demand."""
