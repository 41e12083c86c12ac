"""Figures: the paper's drawn anew from specs, and cost curves. Needs matplotlib and numpy, never
torch.
"""
