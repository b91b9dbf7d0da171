"""How bad, how far, how it failed."""
