"""A pipeline that leaves everything to the end of its process."""

# mypy: ignore-errors
# ruff: noqa: SIM115
import atexit
import ctypes
import importlib.util
import os
import sys
import tempfile
import threading
import time

import luigi

FOLDER = os.path.join(os.environ["SHARED"], os.environ["LEAVES_TO"])


def note(text):
    with open(os.path.join(FOLDER, "notes"), "a") as file:
        file.write(text + "\n")


class Proxy:
    """As libraries have them, for an object that is made when it is first used."""

    @property
    def __class__(self):
        _note("a proxy is used")
        return object


class Noted:
    def __del__(self):
        _note("an object of the module is gone")


_note = note  # names with an underscore are cleared first: this one is gone by then in a module that is cleared
noted = Noted()
luigi.proxies = [Proxy()]  # something shared holds it
opened = open(os.path.join(FOLDER, "opened"), "w")
temporary = tempfile.NamedTemporaryFile(dir=FOLDER)
folder = tempfile.TemporaryDirectory(dir=FOLDER)
sys.modules["no_module"] = object()
spec = importlib.util.find_spec("this")  # speaks when it is loaded
spec.loader = importlib.util.LazyLoader(spec.loader)
sys.modules["this"] = lazy = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lazy)
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
stream = libc.fopen(os.path.join(FOLDER, "stream").encode(), b"w")


class Leaves(luigi.Task):
    name = luigi.Parameter()
    daemon = luigi.BoolParameter()

    def complete(self):
        return os.path.exists(os.path.join(FOLDER, "complete"))

    def run(self):
        atexit.register(note, "first exit handler")
        atexit.register(note, "second exit handler")
        atexit.register(self.fail)
        opened.write("left open by the module")
        self.file = open(os.path.join(FOLDER, "file"), "w")
        self.file.write("left open by the task")
        libc.fputs(b"left open in C", ctypes.c_void_p(stream))
        sys.stdout.write("without a line's end")
        threading.Thread(target=self.late).start()
        if self.daemon:
            threading.Thread(target=self.forever, daemon=True).start()
        open(os.path.join(FOLDER, "complete"), "w").close()

    def late(self):
        time.sleep(0.5)
        note("a thread that is waited for")

    def forever(self):
        while True:
            os.path.join(FOLDER, "a daemon thread")

    def fail(self):
        raise RuntimeError("an exit handler that fails")
