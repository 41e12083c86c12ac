"""What the explorers are compared with: their pictures through ipywidgets' `interact`, a new
matplotlib figure each move.
"""

from IPython.display import display
from ipywidgets import IntSlider, interact

from tests.browser import explored
from xception_edu.plots import style


def figure(made):
    """The figure of an explorer's state, as the saved notebook has it."""
    with style.context():
        return made.figure()


def plain(name, state):
    """Show a slider over the stops of an explorer, under the choices of a state, and the figure
    below it.
    """
    made = explored.new(name)
    explored.go(made, state)
    stops, dial = explored.stops(made), next(iter(state))

    def show(at):
        setattr(made, dial, stops[at])
        display(figure(made))

    interact(show, at=IntSlider(0, 0, len(stops) - 1))
