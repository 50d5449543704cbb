"""Samples → HuBERT features → neutral landmarks."""
