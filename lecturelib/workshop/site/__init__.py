"""The course as a web site of plain files: `lecture site OUT`. Nothing here runs a notebook.

`exhibits` makes the interactive figures that live without a kernel, `pages` turns notebooks and README into what
Sphinx reads, `mathml` is how formulas are written, `build` runs Sphinx with `conf.py`, `command` is the command.
"""
