"""Xception made movable: the continuum from a regular to a depthwise separable convolution, counted twice and shown."""

__version__ = "0.1.0"
