"""Files that are whole or absent, their manifests, and a graph as columns."""
