"""The picture beside a widget: a PNG that is not blank, a fixed text, and both outputs where ipywidgets is old."""

import base64
import importlib.util
import json
from io import BytesIO
from types import ModuleType
from typing import Any

import IPython.display
import ipywidgets
import pytest
from matplotlib.figure import Figure
from PIL import Image

from lecturelib.figures.style import new_figure
from lecturelib.widgets import picture

VIEW = "application/vnd.jupyter.widget-view+json"
COLORS = 40  # a blank picture has one, text alone some 30


def check_bundle(widget: Any, says: str) -> None:
    """Hold what a widget leaves in a saved notebook, and that leaving it twice leaves the same."""
    bundle = widget._repr_mimebundle_()
    assert set(bundle) == {VIEW, "image/png", "text/plain"}
    assert bundle[VIEW]["model_id"] == widget.model_id
    assert bundle["text/plain"] == f"Interactive figure: {says}"
    image = Image.open(BytesIO(base64.b64decode(bundle["image/png"], validate=True)))
    found = image.convert("RGB").getcolors(image.width * image.height)
    assert image.format == "PNG" and found is not None and len(found) > COLORS
    assert widget._repr_mimebundle_() == bundle
    json.dumps(bundle)  # a notebook is JSON


def test_a_bundle_that_comes_with_metadata_keeps_it():
    class WithMetadata:  # as anywidget returns it
        def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
            return {VIEW: {"model_id": "7"}, "text/plain": "at 0x7f"}, {VIEW: {"colab": {}}}

    class Both(picture.StaticPicture, WithMetadata):  # type: ignore[misc]
        says = "a line"

        def picture(self) -> Figure:
            return new_figure(4, 3, "a line")

    bundle, metadata = Both()._repr_mimebundle_()
    assert bundle[VIEW] == {"model_id": "7"} and bundle["text/plain"] == "Interactive figure: a line"
    assert metadata == {VIEW: {"colab": {}}}


def loaded_under(version: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The file `picture.py` as it is when imported under a version of ipywidgets, beside the one in use."""
    monkeypatch.setattr(ipywidgets, "__version__", version)
    spec = importlib.util.spec_from_file_location("picture_under_another_version", picture.__file__)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Old:
    """What a widget of ipywidgets 7 has: a model, and no bundle of its own."""

    model_id = "7"


def test_an_old_ipywidgets_gets_the_widget_and_then_its_picture_if_it_has_one(monkeypatch):
    shown: list[dict[str, Any]] = []
    monkeypatch.setattr(IPython.display, "display", lambda data, raw: shown.append(data) if raw else None)
    old = loaded_under("7.7.1", monkeypatch)

    class OldLine(old.StaticPicture, Old):  # type: ignore[misc]
        says = "an old line"

        def picture(self) -> Figure:
            return new_figure(4, 3, "a line")

    class OldQuestion(old.ShownByBundle, Old):  # type: ignore[misc]
        def _repr_mimebundle_(self, **kwargs: Any) -> Any:
            return {"text/plain": "Heads or tails?", "text/html": "<b>Heads or tails?</b>"}, {VIEW: {"colab": {}}}

    OldLine()._ipython_display_()
    OldQuestion()._ipython_display_()
    view = {"version_major": 2, "version_minor": 0, "model_id": "7"}
    widget, beside, question = shown
    assert widget == {VIEW: view, "text/plain": "Interactive figure: an old line"}
    assert set(beside) == {"image/png", "text/plain"} and beside["text/plain"] == widget["text/plain"]
    assert question == {VIEW: view, "text/plain": "Heads or tails?"}
    assert not hasattr(loaded_under("10.0", monkeypatch).StaticPicture, "_ipython_display_")
