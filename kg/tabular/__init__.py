"""From tables of any format to ids, labels, texts, concepts and ratings."""
