"""The micro-batcher behind `enrich_one`: callers share bulk requests."""
