"""Image and landmark figures come here with the evaluation command; today the measures stand in
``contract/measure.py``."""
