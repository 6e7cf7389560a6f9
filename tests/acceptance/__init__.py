"""Real processes, started as an operator starts them, and killed."""
