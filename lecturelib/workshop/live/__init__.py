"""Presenting a notebook to a class from the keyboard: `lecture live NOTEBOOK`.

`settings` says how JupyterLab behaves on the screen of a lecture hall, `serve` lays out a copy of the notebooks for it,
`sheets` writes the speaker's sheets, from the notebooks and from `plan.toml`, and `command` holds the commands.
"""
