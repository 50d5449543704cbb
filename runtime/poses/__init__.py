"""Where the head is: the filmed poses while somebody speaks, the idle track while nobody does."""
