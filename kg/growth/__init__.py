"""How a graph changes while it is in use: additions, updates, merging, forgetting."""
