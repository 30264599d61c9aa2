"""Stores that several processes share: one pool of tokens for each organization. Queues stay local."""
