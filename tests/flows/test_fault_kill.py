# SPDX-License-Identifier: Apache-2.0
"""The short form of `make fault-kill`."""
import base64, os, random, sqlite3, subprocess, sys, tempfile, unittest

FAULT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fault")
sys.path.insert(0, FAULT)
import fault_daemon, keeper, killloop, receipts, workload


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

    def test_what_a_later_recovery_loses_of_an_earlier_kill_is_seen(self):
        """Between two kills one thing is taken from the databases or put into them: the kill after it says so. (Who
        is at 'collected' is known by the value that is taken away: `lost: person ...`. Hence one who went farther.)"""
        with tempfile.TemporaryDirectory(prefix="troth-life-") as folder:
            life = killloop.Life(os.path.join(folder, "data"))
            token = fault_daemon.init(life.data)
            clock = keeper.Clock(os.path.join(folder, "clock"))
            campaign = killloop.Campaign(random.Random(1), 400, 1 << 30)
            daemon = fault_daemon.Daemon(life.data, clock=clock)
            while not any(stage in (3, 4) for _, journal, _ in life.kills for stage in journal.at.values()):
                daemon = campaign.kill(daemon, life, token, folder, clock)
            journal = life.kills[-1][1]
            first = next(journal.subject[key] for key, stage in journal.at.items() if stage in (3, 4))
            daemon = campaign.kill(daemon, life, token, folder, clock)
            self.assertEqual((campaign.faults, life.again(daemon.port, token)), ([], []))
            for change, reason in (
                    ("INSERT INTO erased VALUES (x'00112233445566778899aabbccddeeff', 0)", "phantom: nobody knows person 0011"),
                    ("DELETE FROM erased WHERE time = 0", None),
                    ("DELETE FROM field_value WHERE sid = (SELECT sid FROM subject WHERE id = x'%s')" % first, "lost: the value of person"),
                    ("DELETE FROM subject WHERE id = x'%s'" % first, "lost: person %s is kept no more" % first)):
                daemon.stop()
                with sqlite3.connect(os.path.join(life.data, "troth.db")) as db:
                    db.execute(change)
                db.close()
                daemon = fault_daemon.Daemon(life.data, clock=clock)
                found = life.again(daemon.port, token)
                self.assertEqual(bool(found), bool(reason), (change, found))
                self.assertIn(reason or "", " ".join(found))
            before = len(campaign.faults)
            daemon = campaign.kill(daemon, life, token, folder, clock)
            campaign.look_again(daemon, life, token)
            self.assertTrue(any("kept no more" in fault for fault in campaign.faults[before:]), campaign.faults)
            daemon.kill()

    def test_R116_kill_9_loses_nothing_acknowledged(self):
        self.campaign("killloop.py", "--kills", os.environ.get("TROTH_KILLS", "100"))


if __name__ == "__main__":
    unittest.main()
