"""Small pipelines, one for each way a run can end. Run by any Python from 3.8 on; files go to $SHARED."""

# mypy: ignore-errors
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

import luigi
from luigi.contrib.external_program import ExternalProgramTask

SHARED = os.environ["SHARED"]


def path(name):
    return os.path.join(SHARED, name)


def note(name):
    """One line a time a task is executed, whoever executes it."""
    with open(path(name + ".runs"), "a") as file:
        file.write(f"{os.getpid()}\n")


def wait_for(name):
    while not os.path.exists(path(name)):
        time.sleep(0.02)


class Marked(luigi.Task):
    """Every test has ids of its own at the shared scheduler."""

    mark = luigi.Parameter(default=os.path.basename(SHARED), significant=True)

    def output(self):
        return luigi.LocalTarget(path(type(self).__name__ + self.suffix()))

    def suffix(self):
        return ""

    def run(self):
        note(type(self).__name__)
        self.work()
        with self.output().open("w"):
            pass

    def work(self):
        pass


class Leaf(Marked):
    number = luigi.IntParameter()
    seconds = luigi.FloatParameter(default=0.0)

    def suffix(self):
        return f"-{self.number}"

    def work(self):
        time.sleep(self.seconds)


class Tree(Marked):
    leaves = luigi.IntParameter(default=4)
    seconds = luigi.FloatParameter(default=0.0)

    def requires(self):
        return [Leaf(number=number, seconds=self.seconds) for number in range(self.leaves)]


class NoOutput(Marked):
    def output(self):
        return []

    def complete(self):
        return False

    def run(self):
        note("NoOutput")


class Number(luigi.Task):
    number = luigi.IntParameter()

    def complete(self):
        return True


class NeedsText(NoOutput):
    """Luigi takes the text for the number, until it makes its summary of what ran."""

    def requires(self):
        return Number(number="2")


class NeedsTextAndFailing(NeedsText):
    def requires(self):
        return [Number(number="2"), Failing()]


class Moves(Marked):
    """Its output is relative, and it goes elsewhere once that is written."""

    number = luigi.IntParameter(default=1)

    def output(self):
        return luigi.LocalTarget(f"moves-{self.number}")

    def requires(self):
        return [Moves(number=self.number - 1)] if self.number else []

    def run(self):
        with self.output().open("w"):
            pass
        os.chdir(SHARED)


class ForgetsOutput(Marked):
    """Ends without an error, and without what it declares."""

    def run(self):
        note("ForgetsOutput")


class Late(ForgetsOutput):
    """Its file system shows the output some seconds after it was written."""

    def run(self):
        super().run()
        subprocess.Popen(["sh", "-c", 'sleep 2; touch "$0"', self.output().path])


class NeedsForgetful(Marked):
    def requires(self):
        return ForgetsOutput()


class ForgetsInBatch(ForgetsOutput):
    number = luigi.IntParameter(batch_method=max)


class NeedsForgetfulBatch(Marked):
    def requires(self):
        return [ForgetsInBatch(number=number) for number in range(2)]


class RequiresItself(Marked):
    def requires(self):
        return RequiresItself(mark=self.mark)


class CircleA(Marked):
    def requires(self):
        return [Leaf(number=1), CircleB()]


class CircleB(Marked):
    def requires(self):
        return CircleA()


class CircleOfWrappers(luigi.WrapperTask):
    def requires(self):
        return CircleOfWrappers()


class Odd(Marked):
    """Raises what no UTF-8 can hold."""

    def work(self):
        raise ValueError("no such file: " + os.fsdecode(b"caf\xe9"))


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class RaisesUnprintable(Marked):
    def complete(self):
        raise Unprintable


class ReturnsBytes(Marked):
    """What Luigi sends to the scheduler as JSON is none."""

    def run(self):
        raise ValueError("broken")

    def on_failure(self, exception):
        return b"bytes"


class External(ExternalProgramTask):
    mark = luigi.Parameter(default=os.path.basename(SHARED))

    def program_args(self):
        return ["sh", "-c", "echo no such table >&2; exit 3"]

    def program_environment(self):
        return {**os.environ, "DB_PASS": "hunter2"}


class Settles(Marked):
    """Fails three times; its own number of tries allows for that."""

    retry_count = 4

    def work(self):
        with open(path("attempts-of-Settles"), "a") as file:
            file.write("x")
        if os.path.getsize(path("attempts-of-Settles")) < 4:
            raise ValueError("not yet")


class NeedsSettlesAndFailing(Marked):
    def requires(self):
        return [Failing(), Settles()]


class OnDisk(Marked):
    """Its output is on a disk of its node."""

    def output(self):
        return luigi.LocalTarget(os.path.join(os.environ["DISK"], "output"))


class HeldOnDisk(Marked):
    def output(self):
        return luigi.LocalTarget(os.path.join(os.environ["DISK"], "held"))

    def work(self):
        with open(path("held"), "w"):
            pass
        wait_for("go")


class NeedsHeldOnDisk(Marked):
    def requires(self):
        return HeldOnDisk()


class Differs(Marked):
    """Made at another moment on each node."""

    when = luigi.Parameter(default=str(time.time()))

    def work(self):
        open(path("held"), "a").close()
        wait_for("go")


class Failing(Marked):
    def work(self):
        if not os.path.exists(path("fixed")):
            raise ValueError("the data is bad")


class FailsToTell(Failing):
    def on_failure(self, exception):
        raise ConnectionError("the chat does not answer")


class FailsWithOwner(Failing):
    owner_email = "somebody@example.invalid"


class FailsAtLength(Marked):
    def work(self):
        raise ValueError("no such row\n" + "a line of the statement\n" * 500)


class NeedsFailing(Marked):
    def requires(self):
        return [Failing(), Leaf(number=1)]


class SwitchedOff(Marked):
    disabled = True


class NeedsSwitchedOff(Marked):
    def requires(self):
        return SwitchedOff()


class Data(luigi.ExternalTask):
    mark = luigi.Parameter(default=os.path.basename(SHARED))

    def output(self):
        return luigi.LocalTarget(path("data"))


class NeedsData(Marked):
    def requires(self):
        return [Data(), Leaf(number=1)]


class BrokenComplete(Marked):
    def complete(self):
        raise OSError("cannot look")


class BrokenDependency(Marked):
    def requires(self):
        return BrokenComplete()


class BrokenInit(Marked):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        raise RuntimeError("cannot be made")


class Held(Marked):
    """Runs until the file `go` is there."""

    def work(self):
        with open(path("held"), "w"):
            pass
        wait_for("go")


class NeedsHeld(Marked):
    def requires(self):
        return [Held()]


class HeldNoOutput(NoOutput):
    def run(self):
        super().run()
        open(path("held"), "w").close()
        wait_for("go")


class ExitsAtOnce(Marked):
    code = luigi.IntParameter(default=0)

    def work(self):
        os._exit(self.code)


class Killed(Marked):
    def work(self):
        os.kill(os.getpid(), signal.SIGKILL)


class SysExit(Marked):
    def work(self):
        sys.exit("enough")


class Rude(Marked):
    """Does to its process what tasks do."""

    def work(self):
        os.write(1, b"to descriptor one\n")
        sys.stdout.write("printed without a newline at the end")
        sys.stdout.close()
        sys.stderr.close()
        os.close(2)


class ClosesAll(Marked):
    """Closes what Luigi and its own process need."""

    def work(self):
        os.closerange(3, 128)
        sys.stderr.close()


class EndsForks(Marked):
    """Ends each process right after it was forked, as `multiprocessing.Pool` may."""

    def work(self):
        for _ in range(50):
            child = os.fork()
            while child == 0:
                signal.pause()
            os.kill(child, signal.SIGTERM)
            ended = os.waitpid(child, 0)[1]
            assert os.WTERMSIG(ended) == signal.SIGTERM, ended


class LeavesThread(Marked):
    def work(self):
        threading.Thread(target=threading.Event().wait).start()


class HangsAtExit(Marked):
    """As a library in C may whose exit handler waits for a thread of its own."""

    def work(self):
        libc = ctypes.CDLL(None)
        getattr(libc, "__cxa_atexit")(libc.pause, None, None)


class Builds(Marked):
    """Builds another task, as `luigi.build` in a task does: by the scheduler that the luigi command was given."""

    def work(self):
        assert luigi.build([Leaf(number=0)])


class Loud(Marked):
    megabytes = luigi.IntParameter()

    def work(self):
        line = "x" * 1023 + "\n"
        for _ in range(self.megabytes * 1024):
            sys.stdout.write(line)


class Environment(Marked):
    def work(self):
        with open(path("environment"), "w") as file:
            file.write("\n".join([repr(sorted(os.environ.items())), repr(sys.path), repr(sys.argv), os.getcwd()]))


class Settings(luigi.Config):
    word = luigi.Parameter(default="none")
    flag = luigi.BoolParameter()


class Configured(Marked):
    word = luigi.Parameter(default="default")

    def work(self):
        with open(path("configured"), "w") as file:
            file.write(repr((self.word, Settings().word, Settings().flag)))


class Needy(Marked):
    count = luigi.IntParameter()
    when = luigi.DateParameter()
    secret = luigi.IntParameter(default=0, visibility=luigi.parameter.ParameterVisibility.PRIVATE)
    switch = luigi.BoolParameter()


class Spaced(Marked):
    task_namespace = "space"


class Deaf(Marked):
    """Ignores every signal that can be ignored."""

    def work(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        with open(path("held"), "w"):
            pass
        wait_for("never")


class Dynamic(Marked):
    """Finds out what it needs while it runs. Only the node that ran it knows of that, so the other one holds `Held`."""

    def run(self):
        wait_for("held")
        targets = yield [Leaf(number=number) for number in range(3)]
        assert len(targets) == 3
        with self.output().open("w"):
            pass


class NeedsDynamic(Marked):
    def requires(self):
        return [Dynamic(), Held()]


class Exclusive(Leaf):
    """One at a time in the whole cluster."""

    @property
    def resources(self):
        return {"licence-" + self.mark: 1}

    def work(self):
        lock = path("licence")
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
        time.sleep(0.1)
        os.unlink(lock)


class NeedsExclusive(Marked):
    def requires(self):
        return [Exclusive(number=number) for number in range(5)]
