"""When each open workflow is asked for its results."""
