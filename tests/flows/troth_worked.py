# SPDX-License-Identifier: Apache-2.0
"""A worked document: its files are written, its commands are run in one shell, and what they print is what it shows.

    `shop/shop.md`:                     the next block is this file (the line ends with the name and a colon)
    ````markdown ... ````               the file; without a name it is added to the draft, until the next one
    ```console                          commands after `$ `, each followed by what it prints, both streams;
    $ troth policy check shop           `…` stands for anything within a line
    0 errors, ...
    ```

A draft lasts until the next draft or heading: then all files are as those with a name left them. `keep=True`: nothing is taken back at headings.
"""
import os, re, shutil, signal, subprocess

from troth_flow import BUILD, SANITIZER

BLOCK = re.compile(r"^(?P<marks>`{3,4})(?P<kind>[\w-]+)[^\n]*\n(?P<text>.*?)^(?P=marks)$|^(?P<heading>##+ [^\n]*)$", re.M | re.S)
NAMED = re.compile(r"`([\w./-]+\.\w+)`:\n+\Z")
RUN_S = 300


class Shown:
    """A command and what the document says it prints."""

    def __init__(self, heading, command, said, start, end):
        self.heading, self.command, self.said, self.start, self.end, self.got = heading, command, said, start, end, None

    def agrees(self):
        return re.fullmatch(".*?".join(re.escape(part) for part in self.said.split("…")), self.got) is not None

    def __str__(self):
        return "%s\n$ %s\nthe document shows:\n%s\nit printed:\n%s" % (self.heading, self.command, self.said, self.got)


def commands(heading, text, offset):
    """`$ command` lines, those that go on with a backslash or an indented line before an output included."""
    for found in re.finditer(r"^\$ (.*(?:\\\n.*)*)\n((?:(?!\$ ).*\n)*)", text, re.M):
        yield Shown(heading, found.group(1), found.group(2), offset + found.start(2), offset + found.end(2))


def put(folder, path, text):
    path = os.path.join(folder, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def script_of(document, home, draft, keep):
    """The shell script of a document, and the commands in it. Files wait in `home`/steps until their turn."""
    lines, shown, heading, step, spoiled = [], [], "", 0, False

    def restore():
        if os.path.isdir(os.path.join(home, "steps", "named")) and spoiled:
            lines.append("rm -rf shop; cp -r ../steps/named/shop .")

    for found in BLOCK.finditer(document):
        kind, text, name = found["kind"], found["text"], NAMED.search(document, 0, found.start())
        if found["heading"]:
            heading = found["heading"]
            if not keep:
                restore()
                spoiled = False
        elif kind == "markdown" and len(found["marks"]) == 4:
            step += 1
            restore()
            spoiled = not keep and step > 1
            put(home, "steps/%d" % step, text)
            path = name.group(1) if name else draft
            lines.append("mkdir -p %s; %s ../steps/%d %s %s" % (
                os.path.dirname(path), "cp" if name else "cat", step, "" if name else ">>", path))
            if step == 1 and not keep:
                put(home, "steps/named/" + path, text)
        elif kind == "console":
            for one in commands(heading, text, found.start("text")):
                lines += ["printf '\\001%d\\001\\n'" % len(shown), one.command]
                shown.append(one)
    return "\n".join(lines) + "\n", shown


def end_all(process):
    """Whatever a script left behind: it has a process group of its own."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def run(document, home, draft="shop/shop.md", keep=False, env=None, change=lambda script: script):
    """Runs all of it in home/work; returns the commands with what each printed."""
    work = os.path.join(home, "work")
    shutil.rmtree(os.path.join(home, "steps"), ignore_errors=True)
    os.makedirs(work)
    script, shown = script_of(document, home, draft, keep)
    paths = BUILD + os.pathsep + os.environ.get("PATH", "")
    put(home, "steps/script", change(script))
    process = subprocess.Popen(["sh", "../steps/script"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                               stderr=subprocess.STDOUT, cwd=work, start_new_session=True,
                               env={**os.environ, "PATH": paths, **(env or {})})
    try:
        said = process.communicate(timeout=RUN_S)[0]
    finally:
        end_all(process)
    if SANITIZER.search(said):
        raise AssertionError(said)
    parts = re.split("\x01(\\d+)\x01\n", said)
    for number, text in zip(parts[1::2], parts[2::2]):
        shown[int(number)].got = text
    return shown
