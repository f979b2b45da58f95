# SPDX-License-Identifier: Apache-2.0
"""The tour of examples/tour.sh, against a daemon of its own."""
import os, subprocess

from troth_flow import ROOT, TROTH, Flow


class Tour(Flow):
    def test_tour(self):
        done = subprocess.run(
            [os.path.join(ROOT, "examples", "tour.sh"), self.daemon.data, "http://127.0.0.1:%d" % self.daemon.port],
            env={**os.environ, "TROTH": TROTH}, capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr)
        self.assertIn("every step answered as promised", done.stdout)

    def test_tour_fails_when_a_step_does(self):
        done = subprocess.run(
            [os.path.join(ROOT, "examples", "tour.sh"), self.daemon.data, "http://127.0.0.1:%d/nothing" % self.daemon.port],
            env={**os.environ, "TROTH": TROTH}, capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 1)
        self.assertIn("FAILED", done.stderr)
