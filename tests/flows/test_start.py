# SPDX-License-Identifier: Apache-2.0
"""Starts that must fail: exit code 1, a message that says what and what to do, and nothing changed."""
import hashlib, os, re, shutil, subprocess, sys, tempfile, unittest

from troth_flow import BUILD, POLICY, READY_S, ROOT, Daemon, Prepared, on_files, prepared, run_troth


def tree(folder):
    """Every file's digest; the lock is not content."""
    found = {}
    for at, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(at, name)
            if name != "lock" and os.path.isfile(path):
                with open(path, "rb") as f:
                    found[os.path.relpath(path, folder)] = hashlib.sha256(f.read()).hexdigest()
    return found


class Start(unittest.TestCase):
    def setUp(self):
        self.daemon = prepared(demo=False)
        self.addCleanup(self.daemon.remove)

    def path(self, *names):
        return os.path.join(self.daemon.data, *names)

    def refused(self, *words, code=1, more=()):
        """The start fails; every word is in what it said. Returns that."""
        seen = len(self.daemon.stderr())
        process = self.daemon.launch(*more)
        try:
            got = process.wait(READY_S)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.fail("it started")
        said = self.daemon.stderr()[seen:]
        self.assertEqual(got, code, said)
        self.assertNotIn("Sanitizer", said)
        for word in words:
            self.assertIn(word, said)
        return said

    @on_files
    def test_a_copy_that_failed_half_way_is_made_again(self):
        folder = tempfile.mkdtemp(prefix="troth-prepared-")
        self.addCleanup(shutil.rmtree, folder)
        place = os.path.join(folder, "one")
        os.mkdir(place + ".new")
        with open(os.path.join(place + ".new", "troth.db"), "w") as f:
            f.write("half")
        Prepared(place, self.daemon)
        self.assertEqual(tree(place), tree(self.daemon.data))
        self.assertEqual(os.listdir(folder), ["one"])

    def starts(self):
        self.daemon.start()
        self.daemon.stop()

    def some_life(self):
        """A person on record, so that there is something to damage."""
        self.daemon.start()
        self.daemon.service("shop", "shop")
        for _ in range(20):
            self.assertEqual(self.daemon.request("POST", "/v1/subjects", {"birth_date": "1990-05-05"}, token="shop").status, 201)
        self.daemon.stop()

    # ---- The policy

    def test_policy_that_was_not_published(self):
        with open(self.path("policy", "group.md"), "a") as f:
            f.write("\nOne more sentence.\n")
        self.refused("group.md was never published", "troth policy publish")

    def test_init_refuses_a_policy_with_errors(self):
        source = os.path.join(self.daemon.home, "policy")
        shutil.copytree(POLICY, source)
        with open(os.path.join(source, "group.md"), "a") as f:
            f.write("\n```rule broken.one\nwe may use contact-fone for delivery.\n```\n")
        target = os.path.join(self.daemon.home, "other")
        done = run_troth("init", target, "--policy", source)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr.count("'contact-fone'"), 2)  # in the message, and as the first of all
        self.assertIn("troth policy check %s shows them all" % source, done.stderr)
        self.assertEqual([n for n in os.listdir(self.daemon.home) if n.startswith("other")], [])

    def test_the_policy_runs_from_the_database(self):
        shutil.rmtree(self.path("policy"))
        self.daemon.start()
        self.assertEqual(self.daemon.request("GET", "/v1/policies/group").json["revision"], 12)
        self.daemon.stop()

    def test_missing_master_key(self):
        os.rename(self.path("master-key"), self.path("..", "kept"))
        self.refused("master-key")
        os.rename(self.path("..", "kept"), self.path("master-key"))
        self.starts()

    def test_wrong_master_key(self):
        os.chmod(self.path("master-key"), 0o600)
        with open(self.path("master-key"), "w") as f:
            f.write("5a" * 32 + "\n")
        self.refused("master-key")

    def test_damaged_master_key(self):
        with open(self.path("master-key"), "w") as f:
            f.write("not a key\n")
        self.refused("master-key")

    def test_master_key_open_to_others(self):
        os.chmod(self.path("master-key"), 0o644)
        said = self.refused("master-key")
        self.assertRegex(said, r"600|chmod")

    # ---- The folder

    def test_missing_folder(self):
        self.daemon.data = os.path.join(self.daemon.home, "nothing")
        self.refused("troth init")
        self.assertFalse(os.path.exists(self.daemon.data))

    @on_files
    def test_folder_without_databases(self):
        self.daemon.data = os.path.join(self.daemon.home, "empty")
        os.mkdir(self.daemon.data)
        self.refused("troth.db")

    def test_second_daemon(self):
        self.daemon.start()
        first, port = self.daemon.process, self.daemon.port
        self.refused("Another process has the data folder")
        self.daemon.process, self.daemon.port = first, port
        self.assertEqual(self.daemon.request("GET", "/healthz").status, 200)
        self.daemon.stop()

    def test_address_in_use(self):
        other = Daemon(demo=False)
        self.addCleanup(other.remove)
        other.start()
        self.refused("listens there already", str(other.port), more=("--listen", "127.0.0.1:%d" % other.port))
        other.stop()
        self.starts()

    def test_address_that_is_none(self):
        self.refused("listen", more=("--listen", "here"))

    def test_read_only_folder(self):
        if os.geteuid() == 0:
            self.as_read_only_mount()
            return
        os.chmod(self.daemon.data, 0o500)
        self.addCleanup(os.chmod, self.daemon.data, 0o700)
        self.refused("cannot be written")

    def as_read_only_mount(self):
        """Root writes everywhere but on a read-only file system."""
        bind = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"',
                self.daemon.data]
        from troth_flow import TROTH
        if subprocess.run(bind + ["true"], capture_output=True).returncode != 0:
            self.skipTest("no mount namespaces here")
        done = subprocess.run(bind + [TROTH, "serve", self.daemon.data, "--listen", "127.0.0.1:0"],
                              capture_output=True, text=True, timeout=READY_S)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot be written", done.stderr)

    def test_full_disk(self):
        """init on a file system without room: a clear message and nothing left behind."""
        from troth_flow import TROTH
        place = os.path.join(self.daemon.home, "small")
        os.mkdir(place)
        script = ('mount -t tmpfs -o size=160k none "$0" && cd "$0" || exit 77; "$1" init "$0/data" --policy "$2"; '
                  'code=$?; ls -A "$0"; exit $code')
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, place, TROTH, POLICY], capture_output=True, text=True)
        if done.returncode == 77 or "unshare" in done.stderr:
            self.skipTest("no mount namespaces here")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, "room|space|full")
        self.assertEqual(done.stdout.strip(), "")

    # ---- Damage

    @on_files
    def test_truncated_databases(self):
        self.some_life()
        for name in ("troth.db", "keys.db"):
            with self.subTest(name=name):
                with open(self.path(name), "rb") as f:
                    whole = f.read()
                for size in (0, 50, len(whole) // 2):
                    with open(self.path(name), "wb") as f:
                        f.write(whole[:size])
                    self.refused(name)
                with open(self.path(name), "wb") as f:
                    f.write(whole)
        self.starts()

    def test_truncated_history_can_be_deleted(self):
        self.some_life()
        whole = os.path.getsize(self.path("history.db"))
        for size in (0, whole // 2):
            os.truncate(self.path("history.db"), size)
            self.refused("delete the file")
        os.remove(self.path("history.db"))
        self.starts()

    @on_files
    def test_other_file_in_place_of_a_database(self):
        with open(self.path("troth.db"), "wb") as f:
            f.write(b"This is no database at all. " * 400)
        self.refused("troth.db")

    def first_segment(self):
        return self.path("audit", sorted(n for n in os.listdir(self.path("audit")) if n.startswith("segment-"))[0])

    def test_damaged_record(self):
        self.some_life()
        with open(self.first_segment(), "r+b") as f:
            f.seek(60)
            byte = f.read(1)[0]
            f.seek(60)
            f.write(bytes([byte ^ 1]))
        self.refused("segment-")
        done = run_troth("audit", "verify", self.daemon.data)
        self.assertEqual(done.returncode, 1)
        self.assertIn("segment-", done.stdout + done.stderr)

    def test_cut_record(self):
        self.some_life()
        os.truncate(self.first_segment(), 300)
        self.refused("segment-")

    def test_lost_record(self):
        self.some_life()
        os.remove(self.first_segment())
        self.refused("audit")

    def test_init_keeps_what_is_there(self):
        before = tree(self.daemon.data)
        done = run_troth("init", self.daemon.data)
        self.assertEqual(done.returncode, 1)
        self.assertIn("exists already", done.stderr)
        self.assertEqual(tree(self.daemon.data), before)

    def test_commands_with_and_without_a_daemon(self):
        """The same command, asked of the daemon or done in its own process."""
        data = self.daemon.data
        self.daemon.service("shop", "shop")
        self.daemon.start()
        self.daemon.service("forum", "forum")
        person = self.daemon.request("POST", "/v1/subjects", {"birth_date": "1990-05-05"}, token="shop").json["id"]
        running = self.daemon.cli("subject", "show", person, "--data", data).stdout
        self.assertEqual(self.daemon.request("GET", "/v1/policies", token="forum").status, 200)
        self.daemon.stop()
        self.assertEqual(self.daemon.cli("subject", "show", person, "--data", data).stdout, running)
        self.assertIn("adult", running)
        listed = self.daemon.cli("service", "list", "--data", data).stdout
        self.assertIn("shop", listed)
        self.assertIn("forum", listed)
        self.assertNotIn("troth_", listed)
        self.daemon.cli("subject", "erase", person, "--data", data)
        self.assertIn("erased", self.daemon.cli("subject", "show", person, "--data", data, code=1).stderr)

    def test_a_name_is_registered_once(self):
        self.daemon.service("shop", "shop")
        done = self.daemon.cli("service", "add", "shop", "--class", "shop", "--data", self.daemon.data, code=1)
        self.assertIn("renew", done.stderr)
        old = self.daemon.tokens["shop"]
        self.assertNotEqual(self.daemon.service("shop", "shop", "--renew"), old)
        done = self.daemon.cli("service", "add", "x", "--class", "gmes", "--data", self.daemon.data, code=1)
        self.assertIn("games", done.stderr)


class CommandLine(unittest.TestCase):
    def test_usage(self):
        for args in ([], ["juggle"], ["serve"], ["serve", "a", "b"], ["service", "add", "x"], ["init", "x", "--polcy", "y"],
                     ["service", "add", "x", "--class"], ["serve", "x", "--readers", "many"]):
            with self.subTest(args=args):
                done = run_troth(*args)
                self.assertEqual(done.returncode, 2, done.stdout + done.stderr)

    def test_suggestion(self):
        self.assertIn("did you mean `serve`", run_troth("sevre").stderr)
        self.assertIn("no command `subject shw`; did you mean `subject show`", run_troth("subject", "shw", "x").stderr)

    def test_help_everywhere(self):
        """Every command that the list names, and every group of them."""
        listed = re.findall(r"^  ([a-z]+(?: [a-z]+)?)(?= [A-Z\[-]|  |$)", run_troth("--help").stdout, re.M)
        self.assertGreater(len(listed), 20)
        for words in sorted(set(listed) | {words.split()[0] for words in listed}):
            with self.subTest(words=words):
                done = run_troth(*words.split(), "--help")
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn("Usage: troth " + words, done.stdout)

    def test_help_tells_what_a_policy_request_is(self):
        done = run_troth("policy", "explain", "--help")
        for words in ("--request TEXT", "--json", "purpose=", "facts=A,!B,?C"):
            self.assertIn(words, done.stdout)

    def test_help_of_the_daemon(self):
        done = subprocess.run([os.path.join(BUILD, "trothd"), "--help"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0)
        self.assertIn("Usage: trothd DIR", done.stdout)

    def test_version(self):
        self.assertRegex(run_troth("--version").stdout, r"^troth \d+\.\d+\.\d+ \(\w+\), policy language \d+\.\d+$")

    def test_man_pages(self):
        home = tempfile.mkdtemp(prefix="troth-man-")
        self.addCleanup(shutil.rmtree, home)
        place = os.path.join(home, "man")
        self.assertEqual(run_troth("man", place).returncode, 0)
        names = sorted(os.listdir(place))
        self.assertIn("troth.1", names)
        self.assertIn("trothd.1", names)
        self.assertIn("troth-service-add.1", names)
        if shutil.which("groff"):
            done = subprocess.run(["groff", "-Kutf8", "-Tutf8", "-man", "-ww", "-z", *names], cwd=place, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    sys.exit(unittest.main())
