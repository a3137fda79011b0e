"""How often the claims hold: each notebook run again with every seed shifted, and a table of what came of it."""
