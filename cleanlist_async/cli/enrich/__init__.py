"""Files of contacts at the command line."""
