"""The same comparison on odds, and the likelihoods behind it."""
