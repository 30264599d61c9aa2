"""Stores that several processes share: one pool of tokens for each organization, behind one protocol.

Wait queues, request classes and shapers stay local to each event loop, as in any limiter. One thread of each
process, the sync worker, reports token outcomes to the backend and requests the next tokens.
"""
