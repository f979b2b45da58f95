# SPDX-License-Identifier: Apache-2.0
"""The short form of `make fault-kill`."""
import base64, os, subprocess, sys, tempfile, unittest

FAULT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fault")
sys.path.insert(0, FAULT)
import fault_daemon, receipts, workload


class Kills(unittest.TestCase):
    def campaign(self, *args):
        done = subprocess.run([sys.executable, *args], cwd=FAULT, capture_output=True, text=True, timeout=900)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_checker_sees_receipts_that_do_not_hold(self):
        with tempfile.TemporaryDirectory(prefix="troth-checker-") as folder:
            data, journal = os.path.join(folder, "data"), workload.Journal()
            token = fault_daemon.init(data)
            daemon = fault_daemon.Daemon(data)
            for thread in workload.run(daemon.port, token, journal, 3, 1)[0]:
                thread.join()
            ask = workload.Client(daemon.port, token).bytes
            self.assertEqual(receipts.check_all(ask, workload.TROTH, journal, 1 << 62), ([], 4))
            ns, key, stage, good = journal.receipts[-1]
            other = base64.b64encode(bytes(40)).decode()
            for changed in ({**good, "entry": good["entry"] - 1}, {**good, "opening": other}, {**good, "entry": 1 << 40}):
                journal.receipts = [(ns, key, stage, changed)]
                self.assertEqual(len(receipts.check_all(ask, workload.TROTH, journal, 1 << 62)[0]), 1, changed)
            text = receipts.fetch(ask, good)[1]
            self.assertIsNone(receipts.check(text, good)[0])
            for line in (2, 3):
                lines = text.split("\n")
                lines[line] = "index 0" if line == 2 else other
                self.assertTrue(receipts.check("\n".join(lines), good)[0])
            self.assertTrue(receipts.signed(workload.TROTH, ask("GET", "/audit/key")[1].decode(), text.replace("\n\n", "\n\nx")))
            daemon.stop()

    def test_R116_kill_9_loses_nothing_acknowledged(self):
        self.campaign("killloop.py", "--kills", os.environ.get("TROTH_KILLS", "100"))


if __name__ == "__main__":
    unittest.main()
