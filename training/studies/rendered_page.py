"""Pages of HTML, made from the templates in `training/templates`."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

__all__ = ["rendered_page"]


def rendered_page(template: str, **content: Any) -> str:
    """Return a page; whatever is not `Markup` is escaped, and content that a template wants and does not get is an error."""
    return _environment().get_template(template).render(**content)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("training"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.tests["numeric"] = lambda cell: str(cell).replace(".", "").replace("-", "").isdigit()
    return environment
