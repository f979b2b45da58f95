# SPDX-License-Identifier: Apache-2.0
"""bench/simulate: its sums agree, its backlogs appear where there is too little to work with, and docs/scale.md shows what it prints."""
import json, os, re, subprocess, unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILT_IN = ("--tsv", "/dev/null")  # not what was measured on this machine


def simulate(*options, code=0):
    done = subprocess.run([os.path.join(ROOT, "bench", "simulate"), *options], capture_output=True, text=True)
    if done.returncode != code:
        raise AssertionError("simulate %s: %d\n%s" % (options, done.returncode, done.stderr))
    return done.stdout if code == 0 else done.stderr


def year(*options):
    return json.loads(simulate("--json", *BUILT_IN, *options))


class Simulate(unittest.TestCase):
    def test_simulate_sums_agree(self):
        few = year("--people", "1e5", "--shards", "4")
        self.assertEqual(few, year("--people", "1e5", "--shards", "4"))
        self.assertNotEqual(few["operations"], year("--people", "1e5", "--shards", "4", "--seed", "2")["operations"])
        done = few["operations"]
        self.assertEqual(few["record"]["entries"], sum(done.values()))
        self.assertEqual(few["database"]["people"], 10 ** 5 + done["create"] - done["erase"])
        self.assertGreater(done["read"], 9 * 365 * 10 ** 5)  # its rate, and what the busy days are on top
        self.assertLess(done["read"], 9 * 375 * 10 ** 5)
        self.assertEqual(few["erasure"]["asked"], done["erase"])
        for load in few["shard-mean"], few["shard-peak"]:
            self.assertLess(load["least"], load["median"])
            self.assertLess(load["median"], load["most"])
        self.assertAlmostEqual(few["shard-mean"]["median"] * 4 * 365 * 86400 / few["record"]["entries"], 1, places=1)
        self.assertTrue(few["enough"])
        self.assertEqual((few["sweep"]["most-waiting"], few["erasure"]["most-waiting"]), (0, 0))

    def test_simulate_shows_who_falls_behind(self):
        many = year("--people", "1e11", "--shards", "1", "--cores", "2")
        self.assertFalse(many["enough"])
        for backlog in many["sweep"], many["erasure"]:
            self.assertGreater(backlog["most-waiting"], 0)
            self.assertGreater(backlog["longest-hours"], 1)
        said = simulate("--people", "1e11", "--shards", "1", "--cores", "2", *BUILT_IN)
        self.assertIn("are NOT enough", said)
        self.assertRegex(said, r"sweep: [\d,]+ due in the year, .* at most [1-9][\d,]* waiting, at most [1-9]\d* hours on end")

    def test_simulate_takes_what_was_measured(self):
        tsv = os.path.join(ROOT, "build", "simulate-%d.tsv" % os.getpid())
        os.makedirs(os.path.dirname(tsv), exist_ok=True)
        self.addCleanup(os.remove, tsv)
        with open(tsv, "w") as f:
            f.write("pg-audited-read-cpu\t7500\tus\nbytes-entry\t6000\tB\n")
        slow, built_in = [json.loads(simulate("--json", "--people", "1e5", "--shards", "1", "--tsv", path)) for path in (tsv, "/dev/null")]
        self.assertGreater(slow["cpu-cores"]["mean"], 50 * built_in["cpu-cores"]["mean"])
        self.assertEqual(slow["record"]["entries"], built_in["record"]["entries"])
        self.assertGreater(slow["record"]["bytes-a-year"], 9 * built_in["record"]["bytes-a-year"])

    def test_scale_md_shows_what_simulate_prints(self):
        """Of a million people; the other columns take it longer, and are as many times as much."""
        with open(os.path.join(ROOT, "docs", "scale.md"), encoding="utf-8") as f:
            rows = {cells[1].strip(): cells[2].strip() for cells in (line.split("|") for line in f) if len(cells) == 6}
        r = year("--people", "1e6", "--shards", "1")
        for name, unit, got in (("entries of the record, busiest hour", " a second", r["peak-per-second"]),
                                ("record in a year", " TB", r["record"]["bytes-a-year"] / 1e12),
                                ("disk for them after a year", " GB", r["database"]["bytes"] / 1e9),
                                ("cores of daemons to plan", "", r["cpu-cores"]["planned"])):
            self.assertTrue(rows[name].endswith(unit), rows[name])
            shown = float(rows[name][:len(rows[name]) - len(unit)])
            self.assertLess(abs(shown - got) / got, 0.03, name)

    def test_simulate_refuses_what_it_cannot_draw(self):
        for wrong in ("--people", "0"), ("--shards", "0"), ("--people", "1e12"), ("--cores", "-1"), ("--people", "many"):
            self.assertIn("usage", simulate(*wrong, code=2))


if __name__ == "__main__":
    unittest.main()
