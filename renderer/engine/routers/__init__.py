"""One module a traffic router; each says which objects it needs and what they look like at given weights."""
