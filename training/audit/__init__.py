"""What a graph gives away of held-out ratings."""
