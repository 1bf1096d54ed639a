"""From RDF of any format and size to statements about linked items."""
