"""What is wrong with a graph, told in sentences."""
