"""The commands as they are typed. What they do is in the modules above, imported when needed."""
