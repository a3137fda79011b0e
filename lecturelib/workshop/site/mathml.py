"""A Sphinx extension that writes formulas as MathML, which browsers draw themselves: no script, no font to fetch."""

from typing import Any
from xml.etree import ElementTree

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

# What a formula may consist of: nothing that acts, and nothing from elsewhere. A page shows whatever a notebook holds.
_NAMESPACE = ' xmlns="http://www.w3.org/1998/Math/MathML"'
_ELEMENTS = {
    "math", "mrow", "mi", "mo", "mn", "mtext", "mspace", "msub", "msup", "msubsup", "munder", "mover",
    "munderover", "mfrac", "msqrt", "mroot", "mtable", "mtr", "mtd", "mstyle", "mpadded", "mphantom", "menclose",
}  # fmt: skip
_ATTRIBUTES = {
    "display", "displaystyle", "scriptlevel", "mathvariant", "stretchy", "fence", "form", "separator", "accent",
    "accentunder", "lspace", "rspace", "width", "height", "depth", "minsize", "maxsize", "linethickness",
    "columnalign", "rowspacing", "columnspacing", "columnlines", "rowlines", "notation", "movablelimits",
    "symmetric",
}  # fmt: skip


def mathml(latex: str, block: bool = False) -> str:
    r"""Return a formula of LaTeX as MathML; `block` gives it a line of its own.

    Raises: ValueError for what is no formula, and for a command that would be shown as it is written.

    >>> mathml(r"\frac{1}{n}").count("<mn>1</mn>")
    1
    """
    try:
        made: str = convert(latex.strip(), display="block" if block else "inline")
        parts = ElementTree.fromstring(made.replace(_NAMESPACE, "")).iter()
    except Exception as problem:  # the converter's own classes, which share no other base
        raise ValueError(f"{latex!r} is no formula ({type(problem).__name__}): expected LaTeX") from None
    if "\\" in made or any(part.tag not in _ELEMENTS or part.attrib.keys() - _ATTRIBUTES for part in parts):
        raise ValueError(f"{latex!r} holds a command that is not known here: write it with another one")
    return made


def setup(app: Any) -> dict[str, bool]:
    """Tell Sphinx of this way to write formulas; its name there is `mathml`."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline(translator: Any, node: Any) -> None:
    translator.body.append(mathml(node.astext()))
    raise SkipNode


def _block(translator: Any, node: Any) -> None:
    translator.body.append(f'<div class="formula">{mathml(node.astext(), block=True)}</div>\n')
    raise SkipNode
