"""Tables and RDF in; a knowledge graph of users, items and concepts with its ratings out."""

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.errors import InputError, UnknownNameError
from kg.graph import Edges, KnowledgeGraph, Nodes
from kg.named_split import NamedSplit
from kg.ratings import Ratings
from kg.report import report_lines
from kg.schema import EdgeType, Namespace, Schema
from kg.vocabulary import Vocabulary

__all__ = [
    "Dataset",
    "Description",
    "EdgeType",
    "Edges",
    "InputError",
    "KnowledgeGraph",
    "NamedSplit",
    "Namespace",
    "Nodes",
    "Ratings",
    "Schema",
    "UnknownNameError",
    "Vocabulary",
    "build",
    "report_lines",
]
