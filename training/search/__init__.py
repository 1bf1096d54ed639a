"""The search for better settings, on validation ratings alone."""
