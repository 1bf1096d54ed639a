r"""MkDocs hook: formulas become MathML, which browsers draw by themselves, without a script or a network.

The extension `arithmatex` leaves each formula of a page, and of a docstring, in an element of class `arithmatex`:
as `\(...\)` within a line, as `\[...\]` in a block of its own.
"""

from __future__ import annotations

import html
import re
from typing import Any

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError

FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_page_content(content: str, page: Any, **_: Any) -> str:
    """Convert the formulas of a page; a command that MathML has no sign for ends the build."""

    def as_mathml(match: re.Match[str]) -> str:
        tex = html.unescape(match[2])
        mathml = convert(tex, display="block" if match[1] == "div" else "inline")
        if unknown := re.search(r">(\\[a-zA-Z]+)<", mathml):
            raise PluginError(
                f"{page.file.src_uri}: {unknown[1]} is no command of LaTeX that latex2mathml knows: {tex}"
            )
        return mathml

    return FORMULA.sub(as_mathml, content)
