# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server of our own for a run of tests: a cluster in a temporary folder, its socket there, no TCP.

    with Server() as server:
        people, keys = server.pair()      # URLs of two fresh databases
        server.drop(people, keys)

TROTH_FLOW_SERVER names the folder of one that runs already: then Daemon makes its databases there. TROTH_PG_TEMPLATE names a
folder, the server's own user's, in which the first server's cluster is kept: all others are copies of it.
"""
import contextlib, fcntl, glob, itertools, os, pwd, shutil, signal, subprocess, tempfile

USER = "troth"
NUMBER = itertools.count(1)


def programs():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    if not found:
        raise RuntimeError("PostgreSQL is missing: tools/deps --test installs it")
    return os.path.dirname(found[-1])


def as_owner(*command):
    """The server does not run as root."""
    if os.geteuid() == 0:
        command = ("runuser", "-u", "postgres", "--", *command)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          cwd="/")
    if done.returncode != 0:
        raise RuntimeError("%s: %s" % (" ".join(command), done.stdout[-2000:]))


def owned_folder(prefix):
    """One in which the server's user may write."""
    home = tempfile.mkdtemp(prefix=prefix)
    with contextlib.suppress(KeyError):  # it is not installed: nothing will be made there
        if os.geteuid() == 0:
            os.chown(home, pwd.getpwnam("postgres").pw_uid, -1)
    return home


def initdb(place):
    as_owner(programs() + "/initdb", "-D", place, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")


def cluster(place):
    kept = os.environ.get("TROTH_PG_TEMPLATE", "")
    if not kept:
        initdb(place)
        return
    with open(kept + "/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(kept + "/db"):
            initdb(kept + "/db")
    as_owner("cp", "-r", kept + "/db", place)


def url(home, name):
    return "postgresql://%s@/%s?host=%s" % (USER, name, home)


def ask(home, *statements, database="postgres", port=5432):
    """Runs each statement by itself, up to the first that fails; returns what psql prints, one row a line."""
    command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", home, "-p", str(port), "-U", USER, "-d", database]
    for statement in statements:
        command += ["-c", statement]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return done.stdout


def database_of(url):
    return url.split("?")[0].rsplit("/", 1)[1]


def pair(home, like=None):
    """Two empty databases; or copies of two to which nobody is connected."""
    name = "t%d_%d" % (os.getpid(), next(NUMBER))
    names = name, name + "_keys"
    of = [" TEMPLATE " + database_of(each) for each in like] if like else ["", ""]
    ask(home, *("CREATE DATABASE " + each + after for each, after in zip(names, of)))
    return tuple(url(home, each) for each in names)


def drop(home, *urls):
    ask(home, *("DROP DATABASE IF EXISTS %s WITH (FORCE)" % database_of(each) for each in urls))


class Server:
    """Options go to the server's command line; `hosts` is a network that may log in over TCP, `where` a place to run in."""
    def __init__(self, *options, hosts="", where=contextlib.nullcontext()):
        self.options, self.hosts, self.where = options, hosts, where

    def __enter__(self):
        self.home, self.bin = owned_folder("troth-pg-"), programs()
        cluster(self.home + "/db")
        if self.hosts:
            with open(self.home + "/db/pg_hba.conf", "a") as f:
                f.write("host all all %s trust\n" % self.hosts)
        self.start()
        return self

    def start(self):
        # fsync is off: no test here cuts the server's power, and all data is thrown away.
        with self.where:
            as_owner(self.bin + "/pg_ctl", "-D", self.home + "/db", "-w", "-l", self.home + "/log", "start", "-o",
                     "-F -k %s -c listen_addresses=%s -c max_connections=400 %s" % (
                         self.home, "0.0.0.0" if self.hosts else "", " ".join(self.options)))

    def stop(self, mode="immediate"):
        as_owner(self.bin + "/pg_ctl", "-D", self.home + "/db", "-w", "-m", mode, "stop")

    def signal(self, number):
        """To all its processes: stopped, it takes what is sent and says nothing."""
        with open(self.home + "/db/postmaster.pid") as f:
            first = int(f.readline())
        with open("/proc/%d/task/%d/children" % (first, first)) as f:
            for pid in [*f.read().split(), first]:
                os.kill(int(pid), number)

    def __exit__(self, *_):
        with contextlib.suppress(RuntimeError, OSError):  # a test stopped it
            self.signal(signal.SIGCONT)
            self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def pair(self):
        return pair(self.home)

    def drop(self, *urls):
        drop(self.home, *urls)
