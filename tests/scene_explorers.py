"""Every explorer with scenes by the name of its function, with the arguments that it cannot do without."""

SCENE_EXPLORERS = {
    "budget_explorer": {},
    "playback_explorer": {},
    "roofline_explorer": {},
    "walk_explorer": {},
}
