# SPDX-License-Identifier: Apache-2.0
"""Nothing readable in swap: a daemon, and a command, with values in their hands are pressed out of memory."""
import json, os, re, resource, socket, subprocess, time, unittest

from troth_flow import BUILD, SERVER, TROTH
from troth_known import VALUES, Known, memory_of
from troth_swap import NoSwap, SwapFile, has_swap, in_swap, page_out

LOCKS = not re.search("address|thread|memory", BUILD)
MOST = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
LITTLE = 8 << 20 if MOST == resource.RLIM_INFINITY else min(MOST, 8 << 20)
MAY_LOCK_LITTLE = ("setpriv", "--bounding-set=-ipc_lock,-sys_resource", "prlimit", f"--memlock={LITTLE}:{LITTLE}")  # root all the same
SAYS = "the memory cannot be locked: this user may lock a limited amount only: values can reach swap"
BIG = {"purpose": "order-payment", "fields": ["order-items", "order-address"]}
ANSWERS = 24  # of 420 KB each, to one client that reads none: more than the kernel takes for it
ANSWERED = b"x" * 2000  # in answers only
TIMES = 10    # that a daemon is pressed once more: for one that does not lock, the first is nearly always enough
UNLOCKED = "a sanitizer lets nothing be locked: its shadow would not fit"


def locked_of(pid):
    """What may be written to, by name: is all of it locked? And names of databases that are mapped, with the same."""
    regions, databases = {}, {}
    with open(f"/proc/{pid}/smaps") as f:
        for row in f:
            region = re.match(r"[0-9a-f]+-[0-9a-f]+ (\S+) \S+ \S+ \S+\s*(.*)", row)
            if region:
                name, writable = region[2] or "anonymous", "w" in region[1]
            elif row.startswith("VmFlags:") and writable and not name.startswith("[v"):
                regions[name] = regions.get(name, True) and " lo" in row
            elif row.startswith("VmFlags:") and name.endswith(".db"):
                databases[os.path.basename(name)] = " lo" in row
    return regions, databases


class Swap(Known):
    def swap(self):
        try:
            return SwapFile(BUILD)
        except NoSwap as e:
            self.skipTest(str(e))

    def start_or_skip(self, *options):
        self.daemon.stop()
        try:
            self.daemon.start(*options)
        except AssertionError as e:
            self.assertIn("the memory cannot be locked", str(e))
            self.daemon.start()
            self.skipTest("no memory may be locked here")

    def all_locked(self, pid):
        regions, databases = locked_of(pid)
        self.assertGreater(len(regions), 3)
        self.assertEqual({name for name, is_locked in regions.items() if not is_locked}, set())
        return databases

    # ---- Values in its hands

    def half_sent(self, texts):
        """A request that lacks its last byte."""
        body = b'{"purpose":"registration-login","values":{"nickname":"' + b" ".join(texts) + b'"}}'
        link = socket.create_connection(("127.0.0.1", self.daemon.port))
        self.addCleanup(link.close)
        link.sendall(b"PUT /v1/subjects/x/data HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\n"
                     b"Content-Length: %d\r\n\r\n" % (self.daemon.tokens["shop"].encode(), len(body) + 1) + body)
        return link

    def not_read(self):
        """Reads of everybody, one after the other, by one that takes none of the answers."""
        link = socket.socket()
        self.addCleanup(link.close)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.connect(("127.0.0.1", self.daemon.port))
        body = json.dumps({**BIG, "subjects": self.taken_in}).encode()
        link.sendall((b"POST /v1/read HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\n"
                      b"Content-Length: %d\r\n\r\n" % (self.daemon.tokens["shop"].encode(), len(body)) + body) * ANSWERS)
        return link

    def fill(self):
        """The daemon has everything in its memory, in pieces of all sizes."""
        known = sorted(self.known)
        links = [self.not_read()] + [self.half_sent(some) for some in (known, *(known[i::20] for i in range(20)))]
        self.wait(lambda: self.known_in_memory() >= self.known and ANSWERED in self.memory())
        return links

    def let_go(self, links):
        """And it serves as ever."""
        for link in links:
            link.close()
        self.assertEqual(self.get("/healthz").status, 200)

    def memory(self):
        return b"".join(blob for _, blob in memory_of(self.daemon.process.pid))

    def secrets(self, content):
        """Names of the tokens and keys that are in there; keys as they are and as their files say them."""
        texts = {"token of " + name: text.encode() for name, text in self.daemon.tokens.items()}
        for name in ("master-key", "audit-key"):
            with open(os.path.join(self.daemon.data, name), "rb") as f:
                digits = f.read().strip()
            texts.update({"digits of " + name: digits, name: bytes.fromhex(digits.decode())})
        return {name for name, text in texts.items() if text in content}

    def is_readable(self, content):
        return len(self.hits(content)) > VALUES // 2 and ANSWERED in content and "token of shop" in self.secrets(content)

    def press(self, holds):
        """Until that holds, and some times more."""
        pid = self.daemon.process.pid
        try:
            self.wait(lambda: page_out(pid) is None and holds())
        except AssertionError:
            if in_swap(pid) == 0:
                self.skipTest("nothing leaves memory here (a group that may not swap?)")
            raise
        for _ in range(TIMES):
            page_out(pid)
            time.sleep(0.1)
        return in_swap(pid)

    # ---- Tests

    @unittest.skipUnless(LOCKS, UNLOCKED)
    def test_R118_pressed_out_of_memory_the_daemon_leaves_nothing_readable_in_swap(self):
        """First one that does not lock: in its swap the same search finds the values."""
        self.start_or_skip("--lock-memory")
        self.assertGreaterEqual(len(self.known), VALUES)
        self.daemon.restart("--no-lock-memory")
        with self.swap() as swap:
            links = self.fill()
            self.assertGreater(self.press(lambda: self.is_readable(swap.content())), 0)
            self.assertEqual(self.secrets(swap.content()), {"token of shop"})  # keys are locked by themselves
            self.let_go(links)
        self.daemon.restart()
        with self.swap() as swap:
            links = self.fill()
            self.assertEqual(self.press(lambda: True), 0)
            self.assertEqual(self.hits(swap.content()), set())
            self.assertFalse(ANSWERED in swap.content())
            self.assertEqual(self.secrets(swap.content()), set())
            self.assertGreaterEqual(self.known_in_memory(), self.known)  # it had them all the while
            self.assertEqual(self.secrets(self.memory()), {"token of shop", "audit-key"})
            self.let_go(links)

    @unittest.skipUnless(LOCKS, UNLOCKED)
    def test_R118_the_daemon_locks_all_of_its_memory_and_no_database(self):
        """What is in a database is sealed, and it is as large as it may be: it would never leave memory."""
        for options in (("--lock-memory",), ()):
            self.start_or_skip(*options)
            self.assertEqual(self.all_locked(self.daemon.process.pid),
                             dict.fromkeys(("history.db",) if SERVER else ("troth.db", "keys.db", "history.db"), False))
        self.daemon.restart("--no-lock-memory")
        regions, _ = locked_of(self.daemon.process.pid)
        self.assertFalse(regions["[stack]"])

    @unittest.skipUnless(LOCKS, UNLOCKED)
    def test_R118_a_command_that_holds_values_locks_its_memory(self):
        self.start_or_skip("--lock-memory")
        place = lambda name: os.path.join(self.daemon.home, name)
        command = subprocess.Popen([TROTH, "import", "-", "--name", "piece by piece", "--ids", place("piece.ids"), "--rejects",
                                    place("piece.rejects"), *self.daemon.here()], stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL)
        command.stdin.write(b'{"service":"shop","birth_date":"19')
        command.stdin.flush()
        self.wait(lambda: any(locked_of(command.pid)[0].values()) or command.poll() is not None)
        self.all_locked(command.pid)
        command.stdin.write(b'90-01-01"}\n')
        command.stdin.close()
        self.assertEqual(command.wait(60), 0)

    def may_lock_little(self):
        """What a daemon says that starts so. A limit would be met in the midst of serving: nothing is locked, by root neither."""
        seen = len(self.daemon.stderr())
        self.daemon.stop()
        self.addCleanup(self.daemon.restart)
        self.daemon.before = MAY_LOCK_LITTLE
        self.daemon.start()
        self.daemon.before = ()
        regions, _ = locked_of(self.daemon.process.pid)
        self.assertFalse(regions["[stack]"])
        self.assertEqual(self.get("/healthz").status, 200)
        return self.daemon.stderr()[seen:]

    def test_R118_where_little_may_be_locked_the_daemon_serves(self):
        said = self.may_lock_little()
        if has_swap():
            self.skipTest("this machine has swap: the other test hears what is said then")
        self.assertNotIn(SAYS, said)

    def test_R118_where_little_may_be_locked_and_there_is_swap_the_daemon_says_so_once(self):
        with self.swap():
            self.assertEqual(self.may_lock_little().count(SAYS), 1)

    def test_R118_where_little_may_be_locked_a_daemon_that_must_does_not_start(self):
        self.daemon.stop()
        self.addCleanup(self.daemon.restart)
        self.addCleanup(setattr, self.daemon, "before", ())
        seen = len(self.daemon.stderr())
        self.daemon.before = MAY_LOCK_LITTLE
        self.assertEqual(self.daemon.launch("--lock-memory").wait(60), 1)
        self.assertIn("the memory cannot be locked: this user may lock a limited amount only", self.daemon.stderr()[seen:])
        self.assertEqual(self.daemon.launch("--lock-memory", "--no-lock-memory").wait(60), 2)
        self.assertIn("exclude each other", self.daemon.stderr()[seen:])
        self.daemon.before = ()


if __name__ == "__main__":
    unittest.main()
