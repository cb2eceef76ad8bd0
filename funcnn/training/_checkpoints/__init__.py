"""Checkpoints: the folder of a run's states, from which it goes on to the same bits."""
