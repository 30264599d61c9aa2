"""Webhooks: the receiver of an application, and the submits of a client that expect events."""
