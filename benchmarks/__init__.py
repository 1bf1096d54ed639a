"""Published protocols and measurements of our own claims; run as `python -m benchmarks NAME`, and not shipped."""
