"""Jobs that live in a store by name, and are run by any process that shares it."""
