"""Weights that took longer than a notebook has, each with a card that says how it was made and what it scores."""
