"""Audio and an emotion in, frames out. No torch."""
