"""The course as a web site of plain files, and the pictures of the README: nothing here runs a notebook.

    python -m lecturelib site OUT
    python -m lecturelib film

`exhibits` makes the interactive figures that live without a kernel, `pages` turns notebooks and README into what
Sphinx reads, `mathml` is how formulas are written, `build` runs Sphinx, and `pictures` films the exhibits.
"""
