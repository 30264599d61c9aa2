"""The client in company: each module here needs an extra of its own, and is imported only by who wants it."""
