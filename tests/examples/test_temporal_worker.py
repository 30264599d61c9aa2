"""The Temporal activities, in Temporal's own ActivityEnvironment, in a virtual environment of theirs."""
