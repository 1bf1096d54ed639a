"""Someone or something new: from a few ratings, from concepts, from a sentence."""
