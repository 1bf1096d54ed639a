"""From predictions to a list: exposure, order, variety, rules, and what each row says."""
