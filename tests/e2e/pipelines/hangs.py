"""The first node that imports this hangs: before Luigi has said anything to the scheduler."""

import os
import time

from waits import Touch

__all__ = ["Touch"]

if os.environ.get("HANGING"):
    try:
        with open(os.environ["HANGING"], "x") as file:
            file.write(os.environ["NODE"])
    except FileExistsError:
        pass
    else:
        time.sleep(600)
