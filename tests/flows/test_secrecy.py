# SPDX-License-Identifier: Apache-2.0
"""Nothing readable: a thousand known values go in and out, and afterwards are in no file and nowhere in the daemon's memory."""
import os, re, resource, secrets, shutil, signal, socket, subprocess, tempfile, unittest

from troth_flow import BUILD, READY_S, SERVER
from troth_known import Known, known_value
from troth_people import People

class Memory(Known):
    """Each test looks somewhere else."""

    @unittest.skipIf(re.search("address|thread", BUILD), "a sanitizer keeps memory that was freed")
    def test_R118_nothing_is_left_in_the_memory_of_the_daemon_at_rest(self):
        for still in ("open", "closed"):
            with self.subTest("the connection is " + still):
                self.assertEqual(self.in_memory(), {})
            self.link.close()

    @unittest.skipIf(re.search("address|thread", BUILD), "a sanitizer keeps memory that was freed")
    def test_R118_the_search_finds_what_is_under_way(self):
        """The control: a value in a request that has not ended is seen, and goes with its connection."""
        text = "known-" + secrets.token_hex(8)
        self.known.add(text.encode())
        link = socket.create_connection(("127.0.0.1", self.daemon.port))
        link.sendall(b"PUT /v1/subjects/x/data HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n" + text.encode())
        self.wait(self.in_memory)
        link.close()
        self.wait(lambda: not self.in_memory())

    @unittest.skipIf(re.search("address|thread", BUILD), "a sanitizer keeps memory that was freed")
    def test_R118_a_body_that_is_refused_by_its_headers_is_wiped(self):
        for refused in (b"Content-Length: 99999999\r\n", b"Content-Length: 3000\r\nContent-Length: 3000\r\n", b"Content-Length: 3000\r\nHost: y\r\n"):
            links = []
            for _ in range(4):
                text = "known-" + secrets.token_hex(8)
                self.known.add(text.encode())
                link = socket.create_connection(("127.0.0.1", self.daemon.port))
                link.sendall(b"PUT /v1/subjects/x/data HTTP/1.1\r\nHost: x\r\n" + refused + b"\r\n" + text.encode() * 100)
                self.assertRegex(link.recv(100), b"HTTP/1.1 4(13|00)")
                links.append(link)
            for link in links:
                link.close()
            self.wait(lambda: not self.in_memory())

    def test_R118_nothing_is_in_a_file_or_in_what_the_daemon_said(self):
        where = [os.path.join(folder, name) for folder, _, names in os.walk(self.daemon.home) for name in names]
        found = {}
        for path in where:
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    found[path] = len(self.hits(f.read()))
        for name in ("stderr", "data/erased.ledger", *(() if SERVER else ("data-1", "keys-1", "data/troth.db", "data/keys.db"))):
            self.assertIn(os.path.join(self.daemon.home, name), found)
        self.assertEqual({path: n for path, n in found.items() if n}, {})

    def test_R118_the_daemon_leaves_no_core_file(self):
        with open(f"/proc/{self.daemon.process.pid}/limits") as f:
            self.assertRegex(f.read(), r"Max core file size +0 +0 ")


@unittest.skipIf(re.search("address|thread|memory|undefined", BUILD), "a sanitizer takes the signal itself")
class Core(People):
    """A daemon that dies of a signal that makes a core file, where nothing outside of it forbids one."""
    fresh = True

    def setUp(self):
        with open("/proc/sys/kernel/core_pattern") as f:
            pattern = f.read().strip()
        if pattern[:1] in ("|", "@", "/"):
            self.skipTest("core files are not written to the working directory here: core_pattern is " + pattern)
        self.place = tempfile.mkdtemp(prefix="troth-core-")
        self.addCleanup(shutil.rmtree, self.place)
        self.addCleanup(os.chdir, os.getcwd())
        before = resource.getrlimit(resource.RLIMIT_CORE)
        if before[1] != resource.RLIM_INFINITY:
            self.skipTest("no core file may be written here: the hard limit is %d" % before[1])
        self.addCleanup(resource.setrlimit, resource.RLIMIT_CORE, before)
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        os.chdir(self.place)
        super().setUp()

    def left(self):
        """What lies in the working directory."""
        return os.listdir(self.place)

    def test_R118_the_control_leaves_a_core_file(self):
        """Any other program that dies so, here and with these limits, leaves one: then what follows means something."""
        done = subprocess.run(["sh", "-c", "kill -SEGV $$"], cwd=self.place)
        self.assertEqual(done.returncode, -signal.SIGSEGV)
        if not self.left():
            self.skipTest("the kernel writes no core file here")

    def test_R118_a_daemon_that_crashes_with_values_in_its_hands_leaves_no_core_file(self):
        for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS):
            person = self.adult(contact_phone=known_value("phone"))
            read = {"purpose": "registration-login", "fields": ["contact-phone"]}
            self.expect(self.post(f"/v1/subjects/{person}/read", read, token="shop"), 200)
            self.assertEqual(os.readlink(f"/proc/{self.daemon.process.pid}/cwd"), self.place)
            self.daemon.process.send_signal(number)
            self.daemon.process.wait(READY_S)
            with self.subTest(number.name):
                self.assertEqual(self.daemon.process.returncode, -number)
                self.assertEqual(self.left(), [])
            self.daemon.start()


if __name__ == "__main__":
    unittest.main()
