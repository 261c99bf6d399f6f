"""Needs a library that nobody installed."""

import no_such_library

print(no_such_library)
