"""Who the users are: interests, habits, change over time, groups."""
