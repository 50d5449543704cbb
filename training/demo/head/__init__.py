"""The procedural head: geometry, rig, landmarks, light and rasteriser."""
