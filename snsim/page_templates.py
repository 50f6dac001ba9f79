"""Fill the templates of pages (Jinja2). A value is escaped for the language of the page unless it is marked as markup.

A template is a file beside the module that fills it, such as `snsim/reports/report.html.j2`.
"""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from snsim.escaping import for_html


def fill_html(package: str, template: str, **values: object) -> str:
    """Return the page that a template of a package makes of the values.

    Every value is escaped by `for_html`, hidden characters too; a `Markup` is HTML and stands as it is.
    """
    environment = Environment(
        loader=PackageLoader(package, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_as_html,
    )
    return environment.get_template(template).render(values)


def _as_html(value: object) -> object:
    return value if hasattr(value, "__html__") else Markup(for_html(value))
