"""The modern surface: 24 operations and search (docs.cleanlist.ai/mcp-api)."""
