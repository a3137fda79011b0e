"""The course as a web site of plain files (`lecture site OUT`), and the pictures of the README (`lecture film`).

Nothing here runs a notebook. `exhibits` makes the interactive figures that live without a kernel, `pages` turns
notebooks and README into what Sphinx reads, `mathml` is how formulas are written, `build` runs Sphinx, `pictures` films
the exhibits, and `command` holds the commands.
"""
