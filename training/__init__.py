"""Training: datasets, losses and loops, and the procedural demo avatar (`demo`)."""
