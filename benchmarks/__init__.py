"""Measurements, not tests: run them on a quiet machine and compare inside one run."""
