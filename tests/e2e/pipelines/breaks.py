"""Cannot be imported anywhere."""

raise OSError("libmoon.so.5: cannot open shared object file")
