"""Neutral landmarks → what the fields are given. One small file a step of `MotionSpec`."""
