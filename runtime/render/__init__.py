"""Condition and pose → picture."""
