"""Enriching any number of contacts: plan, run, match, report."""
