"""From predictions to a list: item-item model, order, variety, rules, and the rows of recommendations."""
