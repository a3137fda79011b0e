"""How JupyterLab looks and behaves while it presents: its settings, its keys and one style sheet."""

import json
import shutil
from pathlib import Path
from typing import Any

STYLE = Path(__file__).parent / "deck.css"

# Wherever the focus is, for a click into a figure or beside the slide must not stop a remote; but nobody types.
_SHOWING = "body[data-jp-deck-mode='presenting']:not(:has(.jp-Notebook.jp-mod-editMode))"
_ON_CELL = ".jp-Deck .jp-Notebook.jp-mod-commandMode:not(.jp-mod-readWrite) :focus"
_TYPING = ".jp-Deck .jp-Notebook.jp-mod-editMode"
_NEXT = {"direction": "down", "alternate": "forward"}
_BACK = {"direction": "up", "alternate": "back"}


def _key(keys: str, command: str, selector: str, **args: str) -> dict[str, Any]:
    return {"keys": [keys], "command": command, "selector": selector, "args": args}


SETTINGS: dict[str, dict[str, Any]] = {
    "jupyterlab-slideshow/plugin": {"active": True},  # the deck begins as soon as the notebook is open
    "@jupyterlab/shortcuts-extension/shortcuts": {
        "shortcuts": [
            _key("F8", "deck:toggle", "body"),
            _key("F5", "deck:start", "body"),  # remotes send it, and the browser would load the page anew
            _key("PageDown", "deck:go", _SHOWING, **_NEXT),
            _key("PageUp", "deck:go", _SHOWING, **_BACK),
            # a key that lets something go in a figure must not end the slides
            _key("Escape", "notebook:enter-command-mode", f"body {_ON_CELL}"),
            # run and stay: the usual command selects the next cell, which may lie on the next slide
            _key("Shift Enter", "notebook:run-cell", _ON_CELL),
            _key("Shift Enter", "notebook:run-cell", _TYPING),
            _key("F7", "notebook:run-all-above", _SHOWING),
            _key("F9", "notebook:hide-cell-code", _SHOWING),
            _key("Shift F9", "notebook:show-cell-code", _SHOWING),
        ]
    },
    "@jupyterlab/apputils-extension/themes": {"theme": "JupyterLab Light"},
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none", "codeCellConfig": {"lineWrap": True}},
}


def write(folder: Path) -> dict[str, str]:
    """Write everything into a folder of its own, away from the user's own settings.

    Returns: the environment variables that make JupyterLab read it.
    """
    places = {
        "JUPYTER_CONFIG_DIR": folder / "config",
        "JUPYTERLAB_SETTINGS_DIR": folder / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": folder / "workspaces",
    }
    for name, value in SETTINGS.items():
        path = places["JUPYTERLAB_SETTINGS_DIR"] / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, indent=1), encoding="utf-8")
    style = places["JUPYTER_CONFIG_DIR"] / "custom" / "custom.css"
    style.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(STYLE, style)
    return {name: str(path) for name, path in places.items()}
