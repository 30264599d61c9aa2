"""Connections that several users share: the SQLite file and Redis."""
