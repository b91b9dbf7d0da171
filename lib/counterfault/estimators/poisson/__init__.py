"""The headline regression within strata, and its interval made in several ways."""
