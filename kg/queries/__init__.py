"""Questions to a finished graph: SPARQL, single nodes, paths, shape, conditions and rules."""
