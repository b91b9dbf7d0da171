"""Counts in two arms, together and within strata: ratios, differences, exact and randomisation tests."""
