"""Published protocols, peers and measurements of cost, side by side."""
