"""Sessions on a clock. Everything else in the runtime is a function of what was pushed."""
