"""The code behind the notebooks on attention, transformers and foundation models.

Start with notebooks/00_start_here.ipynb. The files in this folder are what the lecture teaches, one idea a
file; the folders are the workshop behind it. Each name is imported from the file that holds it.
"""

from importlib.metadata import version

__version__ = version("lecturelib")
