"""The small parts that the network and its posterior are made of."""
