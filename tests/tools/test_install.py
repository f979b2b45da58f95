# SPDX-License-Identifier: Apache-2.0
"""What `make install` puts into a folder is there, runs from there, and has its manual."""
import os, shutil, subprocess, tempfile, unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("TROTH_BUILD", "build")


class Install(unittest.TestCase):
    def test_install_below_destdir(self):
        root = tempfile.mkdtemp(prefix="troth-install-")
        self.addCleanup(shutil.rmtree, root)
        subprocess.run(["tools/install", BUILD, root + "/usr"], cwd=ROOT, check=True)
        for path in ("bin/troth", "bin/trothd", "share/man/man1/troth.1", "share/man/man1/trothd.1",
                     "share/doc/troth/copyright", "share/troth/policies/zhishang"):
            self.assertTrue(os.path.exists(os.path.join(root, "usr", path)), path)
        said = subprocess.run([root + "/usr/bin/troth", "--version"], capture_output=True, text=True, check=True, cwd="/")
        self.assertIn("troth", said.stdout)
        pages = [os.path.join(root, "usr/share/man/man1", p) for p in os.listdir(root + "/usr/share/man/man1")]
        if shutil.which("mandoc"):
            lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages], capture_output=True, text=True)
            # A page without a date is the same page at every build.
            said = [line for line in lint.stdout.splitlines() if "missing date" not in line]
            self.assertEqual(said, [])
