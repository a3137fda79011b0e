"""Figures for the notebooks: arrays in, a matplotlib Figure out. One file per notebook, one shared style."""
