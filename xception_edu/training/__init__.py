"""The training loop that notebook 7 teaches, and what it needs: steps, checkpoints, evaluation,
several processes.
"""
