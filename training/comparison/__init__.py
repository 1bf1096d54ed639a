"""What several models are compared by: peers, their predictions on the same ratings, and paired tests."""
