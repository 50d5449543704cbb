"""Checkpoints of the published training code → a checkpoints folder of ours. Nothing here runs
what a file holds: tensors, numbers and names are all that is read."""
