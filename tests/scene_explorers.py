"""Every explorer with scenes by the name of its function, with the arguments that it cannot do without."""

SCENE_EXPLORERS = {
    "order_explorer": {},
    "towers_explorer": {},
    "walk_explorer": {},
}
