"""Async Python SDK for the Cleanlist B2B enrichment API."""
