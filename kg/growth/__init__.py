"""Changes of a graph that is in use: additions, updates, forgetting."""
