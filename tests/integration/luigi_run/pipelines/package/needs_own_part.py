"""Needs a part of its own package that is gone."""

import package.gone

print(package.gone)
