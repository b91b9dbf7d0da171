"""Attempts to break the answer: one question per module, estimates out."""
