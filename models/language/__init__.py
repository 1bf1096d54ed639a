"""Which weights of a language model are tuned, and the tuned ones as a value that a run keeps."""
