# SPDX-License-Identifier: Apache-2.0
"""The short form of `make fault-cut`."""
import os, subprocess, sys, unittest

FAULT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fault")


class Cuts(unittest.TestCase):
    def campaign(self, *args):
        done = subprocess.run([sys.executable, *args], cwd=FAULT, capture_output=True, text=True, timeout=900)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_R116_power_cuts_lose_nothing_acknowledged(self):
        self.campaign("powercut.py", "--cuts", os.environ.get("TROTH_CUTS", "200"))


if __name__ == "__main__":
    unittest.main()
