"""Where AI does more, by what way, and how much of it."""
