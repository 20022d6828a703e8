"""How fast the stages are, and how many people the page serves at once."""
