"""Stores that several processes share: one pool of tokens for each organization, behind one protocol.

What is local stays local: the wait queues, classes, shapers and probes of each event loop are those of
any limiter. One thread of the process, the sync worker, brings who waits and what became of tokens to the
backend, and brings tokens back.
"""
