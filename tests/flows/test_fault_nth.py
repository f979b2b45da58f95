# SPDX-License-Identifier: Apache-2.0
"""The short form of `make fault-nth`."""
import os, subprocess, sys, unittest

EVERY = int(os.environ.get("TROTH_NTH_EVERY", "23"))
FAULT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fault")


class Calls(unittest.TestCase):
    def campaign(self, *args):
        done = subprocess.run([sys.executable, *args], cwd=FAULT, capture_output=True, text=True, timeout=900)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_R116_a_failed_call_loses_nothing_acknowledged(self):
        self.campaign("nth.py", "--every", str(EVERY), "--syncs", "2")

    def test_R116_a_file_that_is_not_read_opened_or_deleted_loses_nothing_acknowledged(self):
        self.campaign("nth.py", "--kinds", "rou", "--every", str(2 * EVERY), "--syncs", "0")

    def test_R116_a_command_that_meets_a_failed_call_says_so_and_can_be_run_again(self):
        self.campaign("nth_commands.py", "--runs", str(max(1, 140 // EVERY)))


if __name__ == "__main__":
    unittest.main()
