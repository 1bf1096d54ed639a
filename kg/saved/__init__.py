"""The files that a graph directory holds: columns, and RDF as N-Quads."""
