"""A service as its own control: incidents in the hours after it shipped."""
