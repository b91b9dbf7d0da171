"""Estimators: cells in, an estimate out; nothing here knows where the counts came from."""
