# SPDX-License-Identifier: Apache-2.0
"""Short forms of the fault campaigns; the long forms are `make kill KILLS=1000` and `make powercut CUTS=1000`."""
import os, subprocess, sys, unittest

FAULT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fault")


class Faults(unittest.TestCase):
    def campaign(self, *args):
        done = subprocess.run([sys.executable, *args], cwd=FAULT, capture_output=True, text=True, timeout=900)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_R116_kill_9_loses_nothing_acknowledged(self):
        self.campaign("killloop.py", "--kills", os.environ.get("TROTH_KILLS", "12"))

    def test_R116_power_cuts_lose_nothing_acknowledged(self):
        self.campaign("powercut.py", "--cuts", os.environ.get("TROTH_CUTS", "60"))


if __name__ == "__main__":
    unittest.main()
