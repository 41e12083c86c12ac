"""What all explorers share: the widget, pictures as data, and their drawing in the browser and in
matplotlib.
"""
