"""The commands of `kgrec`, one file a family, and what they print."""
