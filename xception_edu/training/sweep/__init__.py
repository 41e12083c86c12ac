"""Sweeps: many runs of one plan, which is written down before they begin, and what they support."""
