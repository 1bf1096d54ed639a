"""Profiles and segments of users: interests, habits, change over time."""
