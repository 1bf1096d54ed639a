"""Readers of RDF of any format and size: statements about linked items come out."""
