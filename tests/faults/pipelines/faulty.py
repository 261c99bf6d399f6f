"""Pipelines that wait, fail, make noise and leave processes behind, as the tests command."""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time

import luigi


def note(path, text):
    with open(path, "a") as file:
        file.write(text + "\n")


def wait_for(path, timeout=240):
    """Until the test makes that file."""
    end = time.monotonic() + timeout
    while not os.path.exists(path):
        if time.monotonic() > end:
            raise TimeoutError(path)
        time.sleep(0.02)


class Base(luigi.Task):
    """`<target>.running` gets a line for each start: node and process id."""

    target = luigi.Parameter()

    def output(self):
        return luigi.LocalTarget(self.target)

    def run(self):
        note(self.target + ".running", "{} {}".format(os.environ.get("FAULTS_NODE", "?"), os.getpid()))
        self.work()
        with self.output().open("w") as file:
            file.write("done")

    def work(self):
        pass


class Touch(Base):
    """Done at once."""


class Gate(Base):
    """Waits for the file `gate`."""

    gate = luigi.Parameter()

    def work(self):
        wait_for(self.gate)


class Sleep(Base):
    seconds = luigi.FloatParameter()

    def work(self):
        time.sleep(self.seconds)


class HoldsLock(Base):
    """In one C call that keeps the interpreter lock, so that no other thread of its process runs."""

    seconds = luigi.IntParameter()

    def work(self):
        ctypes.PyDLL(None).sleep(self.seconds)


class Fails(Base):
    """Never succeeds."""

    def work(self):
        raise RuntimeError("this task always fails")


class Flaky(Base):
    """Fails the first time anywhere."""

    def work(self):
        if not os.path.exists(self.target + ".tried"):
            note(self.target + ".tried", "once")
            raise RuntimeError("the first time fails")


class Leaf(luigi.Task):
    target = luigi.Parameter()
    number = luigi.IntParameter()
    seconds = luigi.FloatParameter()

    def output(self):
        return luigi.LocalTarget(f"{self.target}.leaf-{self.number}")

    def run(self):
        note(self.target + ".running", "{} {}".format(os.environ.get("FAULTS_NODE", "?"), os.getpid()))
        time.sleep(self.seconds)
        with self.output().open("w") as file:
            file.write("done")


class Tree(Base):
    """`leaves` tasks of `seconds` each, then the root."""

    leaves = luigi.IntParameter()
    seconds = luigi.FloatParameter()

    def requires(self):
        return [Leaf(self.target, number, self.seconds) for number in range(self.leaves)]


class Noise(Base):
    """Prints so many bytes, in lines of a thousand."""

    bytes = luigi.IntParameter()

    def work(self):
        block = ("x" * 999 + "\n").encode() * 1000
        for _ in range(self.bytes // len(block)):
            left = memoryview(block)
            while left:
                left = left[os.write(1, left) :]
        sys.stdout.write("the very last line\n")


class Fills(Base):
    """Writes so many bytes into a temporary file, in pieces."""

    bytes = luigi.IntParameter()

    def work(self):
        with open(os.path.join(tempfile.gettempdir(), "big"), "wb") as file:
            for _ in range(self.bytes // 65536):
                file.write(bytes(65536))


class Hungry(Base):
    """Takes memory until the limit that it sets itself is reached."""

    def work(self):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (512 * 1024 * 1024, resource.RLIM_INFINITY))
        if not os.path.exists(self.target + ".tried"):
            note(self.target + ".tried", "once")
            self.kept = bytearray(4 * 1024 * 1024 * 1024)


class Leaves(Base):
    """Ends, and leaves behind children in sessions of their own: one with its pipes closed, one that holds the log."""

    def work(self):
        sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
        quiet = subprocess.DEVNULL
        subprocess.Popen(sleeper, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
        subprocess.Popen(sleeper, start_new_session=True)
        stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
        subprocess.Popen([sys.executable, "-c", stubborn], start_new_session=True)
        if os.fork() == 0:  # a daemon as daemons are made: twice forked, its parent gone
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
                os.execv(sys.executable, sleeper)
            os._exit(0)
        os.wait()
