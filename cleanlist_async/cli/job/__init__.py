"""Durable jobs at the command line."""
