"""Stands for the package by which a notebook knows that it runs on Colab, and that is loaded before its first cell."""
