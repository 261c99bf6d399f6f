"""Templates to text. Everything that is no markup of a template's own is escaped, and a name that a template uses and
nobody gave is an error."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from poltergust import __version__
from poltergust.dashboard.filters import FILTERS, address, finalize
from poltergust.dashboard.overview import GROUPS, Group


class Renderer:
    """All templates of the package."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("poltergust.dashboard"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=finalize,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(FILTERS)
        self._environment.globals.update(
            address=address, version=__version__, groups=tuple(Group), group_of=lambda state: GROUPS[state].value
        )

    def page(self, template: str, **values: object) -> str:
        return self._environment.get_template(template).render(layout="page.html", **values)

    def main(self, template: str, **values: object) -> str:
        """Only the part of the page that changes while somebody looks at it."""
        return self._environment.get_template(template).render(layout="fragment.html", **values)
