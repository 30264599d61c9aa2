"""Contacts: what is sent, whether it is sufficient, and how a list is split into requests."""
