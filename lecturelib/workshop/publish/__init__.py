"""Notebooks are executed and written in their committed form by one command: `lecture publish [NAME ...]`.

`form` says what a committed notebook looks like, `stamp` writes the cells that hold the project's address,
`execute` runs a notebook in a clean kernel, and `command` is the command.
"""
