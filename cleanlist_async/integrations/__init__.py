"""Ways to use the client inside other frameworks. Each needs an extra, and is imported by name."""
