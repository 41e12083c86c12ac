"""Explorers: pictures that move in the notebook. Python counts every position once; the browser only draws. Never torch."""

from xception_edu.explorers.order import order_explorer
from xception_edu.explorers.segments import segments_explorer
from xception_edu.explorers.towers import towers_explorer
from xception_edu.explorers.walk import walk_explorer

__all__ = ["order_explorer", "segments_explorer", "towers_explorer", "walk_explorer"]
