"""Explorers: pictures that move in the notebook. Python counts every position once; the browser only draws. Never torch."""

from xception_edu.explorers.kernel import kernel_explorer
from xception_edu.explorers.segments import segments_explorer
from xception_edu.explorers.separability import separability_explorer
from xception_edu.explorers.walk import walk_explorer

__all__ = ["kernel_explorer", "segments_explorer", "separability_explorer", "walk_explorer"]
