"""Why a prediction is what it is: its parts, paths and a sentence."""
