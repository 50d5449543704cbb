"""Checkpoints of the published training code → a checkpoints folder of ours. Nothing here runs
what a file holds: tensors, numbers and names are all that is read."""

PUBLISHED_HUBERT = "facebook/hubert-large-ls960-ft"
"""The speech encoder the published code hears with, by its name on the Hugging Face hub."""
