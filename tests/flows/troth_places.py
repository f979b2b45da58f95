# SPDX-License-Identifier: Apache-2.0
"""Network namespaces for a test: one for a server, one for each of several hosts, joined to it by a link that can be cut.

    places = Places("a", "b")           # raises Refused where this machine does not let us
    with places.server: ...             # programs started here run there; so does what this thread connects to
    with places.host["a"]: ...
    places.address["a"]                 # of the server, seen from a
    places.cut("a")                     # nothing comes through any more, and nobody is told
    places.heal("a")
"""
import ctypes, os, subprocess, threading

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


class Refused(Exception):
    pass


def run(*command):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except FileNotFoundError as missing:
        raise Refused(str(missing))
    if done.returncode != 0:
        raise Refused("%s: %s" % (" ".join(command), done.stderr.strip()))


class Place:
    """A namespace, held by a process that waits in it for this one to end. Entering moves this thread, and whatever it starts."""
    def __init__(self):
        try:
            self.holder = subprocess.Popen(["unshare", "--net", "--", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE,
                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except FileNotFoundError as missing:
            raise Refused(str(missing))
        if self.holder.stdout.read(1) != b"\n":
            words = self.holder.stderr.read().decode()
            self.close()
            raise Refused(words.strip())
        self.path = "/proc/%d/ns/net" % self.holder.pid
        self.before = threading.local()

    @staticmethod
    def move(fd):
        if LIBC.setns(fd, CLONE_NEWNET) != 0:
            raise Refused("setns: " + os.strerror(ctypes.get_errno()))

    def __enter__(self):
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.move(there)
        except Refused:
            os.close(home)
            raise
        finally:
            os.close(there)
        self.before.stack = getattr(self.before, "stack", []) + [home]
        return self

    def __exit__(self, *_):
        home = self.before.stack.pop()
        self.move(home)
        os.close(home)

    def close(self):
        self.holder.kill()
        self.holder.wait()
        for pipe in self.holder.stdin, self.holder.stdout, self.holder.stderr:
            pipe.close()


class Places:
    def __init__(self, *names):
        self.host, self.address, self.all = {}, {}, []
        try:
            self.server = self.place()
            for i, name in enumerate(names, 1):
                self.join(i, name)
        except (Refused, OSError) as why:
            self.close()
            raise Refused(str(why))

    def place(self):
        place = Place()
        self.all.append(place)
        with place:
            run("ip", "link", "set", "lo", "up")
        return place

    def join(self, i, name):
        self.host[name], self.address[name] = self.place(), "10.77.%d.1" % i
        with self.server:
            run("ip", "link", "add", "to-" + name, "type", "veth", "peer", "name", "out", "netns", str(self.host[name].holder.pid))
            run("ip", "address", "add", "10.77.%d.1/30" % i, "dev", "to-" + name)
            run("ip", "link", "set", "to-" + name, "up")
        with self.host[name]:
            run("ip", "address", "add", "10.77.%d.2/30" % i, "dev", "out")
            run("ip", "link", "set", "out", "up")

    def cut(self, name):
        with self.server:
            run("ip", "link", "set", "to-" + name, "down")

    def heal(self, name):
        with self.server:
            run("ip", "link", "set", "to-" + name, "up")

    def close(self):
        for place in self.all:
            place.close()
