"""Studies of a trained model: cold start, sentences, explanations, profiles, lists."""
