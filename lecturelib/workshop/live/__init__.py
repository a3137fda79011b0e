"""Presenting a notebook to a class from the keyboard: python -m lecturelib live NOTEBOOK.

`settings` says how JupyterLab behaves on the screen of a lecture hall, `serve` starts it on a copy of the notebooks,
`sheets` writes the speaker's sheets, from the notebooks and from `plan.toml`, and `__main__` is the command.
"""
