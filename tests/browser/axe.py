"""axe-core: looks in a page for what keeps people from using it who hear it, or work it by the keys alone."""

import os
import sys
from pathlib import Path
from typing import Any

HOW = (
    "no axe-core: npm install --prefix .venv/share axe-core (for another environment its own folder share), or name "
    "its axe.min.js in the variable LECTURELIB_AXE"
)
_PLACES = (
    Path(os.environ.get("LECTURELIB_AXE") or "none"),
    Path(sys.prefix) / "share" / "node_modules" / "axe-core" / "axe.min.js",
)
SCRIPT = next((path for path in _PLACES if path.is_file()), None)

# Its rules about a whole page have nothing to say of a part of one. Of its four grades the upper two count.
RUN = """async (part) => {
  document.body.style.minHeight = '100vh'; // JupyterLab's has no height, and axe takes all in it for hidden
  const {violations, passes} = await axe.run({include: [part]}, {resultTypes: ['violations', 'passes']});
  if (!passes.length) return ['nothing was looked at'];
  return violations.filter(({impact}) => ['serious', 'critical'].includes(impact)).flatMap(({id, nodes}) =>
    nodes.map(({html, failureSummary}) => `${id}: ${html.slice(0, 160)}: ${failureSummary.slice(0, 400)}`));
}"""


def findings(part: Any) -> list[str]:
    """Return the serious and the critical findings in a part of a page, given as a locator."""
    assert SCRIPT is not None, HOW
    if part.page.evaluate("() => typeof axe") == "undefined":
        part.page.evaluate(SCRIPT.read_text(encoding="utf-8"))
    return part.evaluate(RUN)
