"""Stands for Colab's module of this name: by itself Colab shows widgets of ipywidgets only, others when asked to."""

from types import SimpleNamespace
from typing import Any

MANAGER = "manager.js"  # on Colab an address from which the page loads the code of other widgets
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
_widgets = SimpleNamespace(_installed_url=None)


def enable_custom_widget_manager() -> None:
    """From now on tell the page of each widget that is displayed where it finds the code of others."""
    from IPython.core.getipython import get_ipython

    shell: Any = get_ipython()
    if _widgets._installed_url is None:
        _widgets._installed_url = MANAGER
        shell.display_pub.register_hook(_say_where)


def _say_where(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content", {})
    if WIDGET_VIEW in content.get("data", {}):
        content["metadata"] = {
            **content.get("metadata", {}),
            WIDGET_VIEW: {"colab": {"custom_widget_manager": MANAGER}},
        }
    return message
