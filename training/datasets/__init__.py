"""Talking videos of real people, made into what the trainings read (`emogene-train prepare`)."""
