"""A trained recommender on disk: written once, then only read."""

from models.saved.ledger import Said, read_ledger, replayed, said_of, write_ledger
from models.saved.run_folder import COMMAND, FORMAT_NAME, FORMAT_VERSION, check_run, read_run, save_run, write_parts

__all__ = [
    "COMMAND",
    "FORMAT_NAME",
    "FORMAT_VERSION",
    "Said",
    "check_run",
    "read_ledger",
    "read_run",
    "replayed",
    "said_of",
    "save_run",
    "write_ledger",
    "write_parts",
]
