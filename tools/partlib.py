# SPDX-License-Identifier: Apache-2.0
"""What the checkers share: the part table of the Makefile, source files, C text without comments and strings."""
import os, re, sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
os.chdir(ROOT)


def part_table():
    """{part: set of parts it may include}, as the Makefile's may_ rows say."""
    rows = re.findall(r"^may_(\w+)\s*:=(.*)$", open("Makefile").read(), re.M)
    return {part: set(may.split()) for part, may in rows}


def files(folders, suffixes):
    for folder in folders:
        for where, below, names in os.walk(folder):
            below[:] = [b for b in below if b not in ("node_modules", "__pycache__")]
            for name in sorted(names):
                if name.endswith(tuple(suffixes)):
                    yield os.path.join(where, name)


TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)


def blank(text, keep_strings=False):
    """C text with comments (and the insides of strings) blanked; line numbers stay."""
    def replace(match):
        s = match.group(0)
        if s[0] in "\"'":
            return s if keep_strings else s[0] + " " * (len(s) - 2) + s[0]
        return re.sub(r"[^\n]", " ", s)
    return TOKEN.sub(replace, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


class Report:
    def __init__(self):
        self.bad = 0

    def __call__(self, path, line, message):
        print("%s:%d: %s" % (path, line, message))
        self.bad += 1

    def end(self):
        sys.exit(1 if self.bad else 0)
