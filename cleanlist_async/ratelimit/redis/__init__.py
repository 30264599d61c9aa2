"""A Redis in which the processes of several machines share their tokens."""
