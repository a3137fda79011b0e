"""The one command that executes the notebooks and writes them in their committed form.

    python -m lecturelib publish [NAME ...] [--text-only]

`form` says what a committed notebook looks like, `stamp` writes the cells that hold the project's address,
`execute` runs a notebook in a clean kernel, and `__main__` is the command.
"""
