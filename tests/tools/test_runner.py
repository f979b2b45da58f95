# SPDX-License-Identifier: Apache-2.0
"""tests/run counts what it must: a program that dies, says nothing or prints a sanitizer report has failed."""
import contextlib, os, shutil, signal, subprocess, sys, tempfile, time, unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Runner(unittest.TestCase):
    def setUp(self):
        self.tree = tempfile.mkdtemp(prefix="troth-run-")
        self.addCleanup(shutil.rmtree, self.tree)
        for name in ("tests/run", "tests/flows/run_flow.py", "tests/flows/pg_server.py"):
            os.makedirs(os.path.join(self.tree, os.path.dirname(name)), exist_ok=True)
            shutil.copy(os.path.join(ROOT, name), os.path.join(self.tree, name))
        # The checkers are tested elsewhere; here they are silent and content.
        os.makedirs(os.path.join(self.tree, "tools"))
        for name in ("layers", "purity", "sql", "docs", "secrets"):
            self.program("tools/check-" + name, "exit 0")

    def program(self, path, body):
        full = os.path.join(self.tree, path)
        with open(full, "w") as f:
            f.write("#!/bin/sh\n%s\n" % body)
        os.chmod(full, 0o755)
        return path

    def results(self, *bodies, only="unit"):
        names = [self.program("unit%d" % i, body) for i, body in enumerate(bodies)]
        done = subprocess.run(["tests/run", "--only", only, *["./" + n for n in names]], cwd=self.tree,
                              capture_output=True, text=True)
        with open(os.path.join(self.tree, "build/test-results.tsv")) as f:
            return done.returncode, done.stdout, dict(line.split() for line in f)

    def until(self, told, why):
        end = time.monotonic() + 60
        while not told():
            self.assertLess(time.monotonic(), end, why)
            time.sleep(0.02)

    def test_a_broken_off_ci_leaves_no_suite_running(self):
        os.makedirs(os.path.join(self.tree, ".ci"))
        shutil.copy(os.path.join(ROOT, ".ci/run"), os.path.join(self.tree, ".ci/run"))
        with open(os.path.join(self.tree, "Makefile"), "w") as f:
            f.write("all unit replays:\n\t@:\ntest:\n\t@echo $$$$ >suite.$(DATABASE)$(SAN); test -z '$(DATABASE)$(SAN)' || sleep 600\n"
                    "\t@echo 1 passed, 0 failed\n")
        for how, stop in ("SIGINT of a terminal", lambda p: os.killpg(p, signal.SIGINT)), ("SIGTERM", lambda p: os.kill(p, signal.SIGTERM)):
            for name in os.listdir(self.tree):
                if name.startswith("suite."):
                    os.remove(os.path.join(self.tree, name))
            ci = subprocess.Popen([".ci/run"], cwd=self.tree, start_new_session=True,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                beside = os.path.join(self.tree, "suite.postgresql")
                begun = lambda: all(os.path.exists(p) and os.path.getsize(p) for p in (beside, os.path.join(self.tree, "suite.address,undefined")))
                self.until(begun, "the suites do not begin")
                end = time.monotonic() + 60
                while ci.poll() is None and time.monotonic() < end:  # bash misses one that comes as it begins to wait
                    stop(ci.pid)
                    time.sleep(1)
                self.assertIsNotNone(ci.poll(), "it goes on after " + how)
                with open(beside) as f:
                    shell = int(f.read())
                self.until(lambda: shell not in self.of_session(ci.pid), "it goes on after " + how)
            finally:
                for pid in self.of_session(ci.pid):
                    with contextlib.suppress(ProcessLookupError):  # ended since
                        os.kill(pid, signal.SIGKILL)
                ci.wait()

    def of_session(self, session):
        """Processes of a session that have not ended, without the kernel's leftovers."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/stat" % pid) as f:
                    state, _, _, of = f.read().rpartition(")")[2].split()[:4]
            except OSError:
                continue
            if int(of) == session and state != "Z":
                found.append(int(pid))
        return found

    def test_runner_counts_lines(self):
        code, out, states = self.results("echo ok a; echo ok b", "echo why; echo FAIL c; exit 1")
        self.assertEqual(code, 1)
        self.assertEqual(out.split("\n")[-2], "2 passed, 1 failed")
        self.assertIn("why", out)
        self.assertEqual(states, {"a": "passed", "b": "passed", "c": "failed"})

    def test_runner_names_what_was_skipped(self):
        code, out, states = self.results("echo ok a; echo no such tool; echo skip b")
        self.assertEqual((code, out), (0, "skipped: b (no such tool)\n1 passed, 0 failed\n"))
        self.assertEqual(states, {"a": "passed", "b": "skipped"})

    def test_runner_nothing_but_skips_is_a_failure(self):
        code, out, _ = self.results("echo skip b")
        self.assertEqual((code, out), (1, "skipped: b ()\n0 passed, 0 failed\n"))

    def test_runner_all_passed(self):
        code, out, _ = self.results("echo ok a")
        self.assertEqual((code, out), (0, "1 passed, 0 failed\n"))

    def test_runner_a_crash_is_a_failure(self):
        code, out, states = self.results("echo ok a; kill -SEGV $$")
        self.assertEqual((code, states), (1, {"a": "passed", "unit0": "failed"}))
        self.assertIn("ended with -11", out)

    def test_runner_a_sanitizer_report_is_a_failure(self):
        code, out, states = self.results("echo ok a; echo 'x.c:1:2: runtime error: shift' >&2")
        self.assertEqual((code, states), (1, {"a": "passed", "unit0": "failed"}))
        self.assertIn("x.c:1:2", out)

    def test_runner_silence_is_a_failure(self):
        code, out, _ = self.results("exit 0")
        self.assertEqual(code, 1)
        self.assertIn("ran no test", out)

    def test_runner_no_test_at_all_is_a_failure(self):
        code, out, _ = self.results("echo ok a", only="nothing-is-called-so")
        self.assertEqual((code, out), (1, "0 passed, 0 failed\n"))

    def test_runner_a_failed_subtest_fails_its_test(self):
        flow = os.path.join(self.tree, "tests/flows/test_x.py")
        with open(flow, "w") as f:
            f.write("import unittest\nclass T(unittest.TestCase):\n    def test_z(self):\n"
                    "        with self.subTest(1):\n            self.fail('no')\n    def test_y(self): pass\n")
        done = subprocess.run([sys.executable, os.path.join(self.tree, "tests/flows/run_flow.py"), flow],
                              capture_output=True, text=True)
        lines = [line for line in done.stdout.split("\n") if line.startswith(("ok", "FAIL"))]
        self.assertEqual((done.returncode, lines), (1, ["ok y", "FAIL z"]))


class Missing(unittest.TestCase):
    """Tools that others made, and flows that need them, on a machine that has none of them."""
    TESTS = ("test_verifiers.GoChecksTheLog.test_a_proof_from_the_folder_opens_nothing",
             "test_verifiers.SigstoreChecksTheLog.test_a_proof_from_the_folder_opens_nothing",
             "test_browser.Catalogues.test_catalogues_are_valid_gettext")

    def outcome(self, **ci):
        with tempfile.TemporaryDirectory(prefix="troth-run-") as place:
            os.symlink(shutil.which("openssl"), place + "/openssl")
            env = {**{k: v for k, v in os.environ.items() if k not in ("CI", "TROTH_FLOW_SERVER")}, "PATH": place, **ci}
            done = subprocess.run([sys.executable, "-m", "unittest", "-v", *self.TESTS], cwd=os.path.join(ROOT, "tests/flows"), env=env,
                                  capture_output=True, text=True)
        return done.returncode, done.stderr

    def test_what_is_not_installed_is_skipped_and_in_ci_a_failure(self):
        code, said = self.outcome()
        self.assertEqual((code, said.count("skipped 'not installed: ")), (0, 3), said)
        code, said = self.outcome(CI="true")
        self.assertEqual((code, said.count("AssertionError: not installed: "), said.count("... FAIL")), (1, 3, 3), said)


if __name__ == "__main__":
    unittest.main()
