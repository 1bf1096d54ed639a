"""What the kinds of messages are called; the kind decides scale and prior of a message's table."""

from __future__ import annotations

__all__ = ["HOP", "RATED", "RATED_BY", "RATED_OVER", "TEXT"]

RATED = "rated"  # item -> user: which items a user rated, never how
RATED_BY = "rated_by"  # user -> item
RATED_OVER = "rated_over_"  # over a relation between users or between items: what those at its other end rated
HOP = "hop_"  # two hops: concept -> item -> user, or concept -> user -> item
TEXT = "text"
