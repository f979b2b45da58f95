# SPDX-License-Identifier: Apache-2.0
"""A daemon for the fault tests: started on any folder, killed at any moment."""
import atexit, functools, json, os, re, shutil, signal, struct, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("TROTH_BUILD", "build")
TROTH = os.path.join(ROOT, BUILD, "troth")


@functools.cache
def first():
    """(a folder with the reference policy and one service, its token)"""
    home = tempfile.mkdtemp(prefix="troth-fault-first-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    data = os.path.join(home, "data")
    subprocess.run([TROTH, "init", data, "--policy", os.path.join(ROOT, "policies", "zhishang")], check=True,
                   stdout=subprocess.DEVNULL)
    out = subprocess.run([TROTH, "service", "add", "shop", "--class", "shop", "--data", data], check=True,
                         capture_output=True, text=True).stdout
    return data, re.search(r"troth_[A-Za-z0-9_-]+", out).group(0)


def init(data):
    """Such a folder, as it was made; its token."""
    made, token = first()
    subprocess.run(["cp", "-r", "--sparse=always", made, data], check=True)
    return token


def crc32c(data):
    crc = 0xffffffff
    for b in data:
        crc ^= b
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def small_segments(data, size=65536):
    """Makes the only segment of a new record small; the next ones are as large as the one before (src/audit/DESIGN.md)."""
    with open(os.path.join(data, "audit", "segment-00000000"), "r+b") as f:
        head = bytearray(f.read(32))
        head[12:16] = struct.pack(">I", size)
        f.seek(0)
        f.write(head + struct.pack(">I", crc32c(head)))
        f.truncate(size)


def verify(data):
    p = subprocess.run([TROTH, "audit", "verify", data], capture_output=True, text=True)
    return [] if p.returncode == 0 else [f"the record does not verify: {p.stdout}{p.stderr}"]


class Daemon:
    def __init__(self, data, env=None, wait_s=60, clock=None):
        self.err = tempfile.TemporaryFile(mode="w+")
        command = [TROTH, "serve", data, "--listen", "127.0.0.1:0", *(["--clock-file", clock.path] if clock else [])]
        self.p = subprocess.Popen(command, stdout=subprocess.PIPE,
                                  stderr=self.err, text=True, env={**os.environ, **(env or {})})
        self.port = self.wait_port(wait_s)

    def wait_port(self, wait_s):
        end = time.monotonic() + wait_s
        while time.monotonic() < end:
            line = self.p.stdout.readline()
            m = re.search(r"http://[^ ]*:(\d+)", line)
            if m:
                return int(m.group(1))
            if not line and self.p.poll() is not None:
                break
        self.p.kill()
        self.err.seek(0)
        raise RuntimeError("exit %s: %s" % (self.p.wait(), self.err.read()[-800:]))

    def kill(self):
        self.p.send_signal(signal.SIGKILL)
        self.p.wait()

    def said(self):
        """What it wrote to standard error so far."""
        return os.pread(self.err.fileno(), 1 << 20, 0).decode()

    def stop(self):
        self.p.send_signal(signal.SIGTERM)
        self.p.wait()
        self.err.seek(0)
        text = self.err.read()
        if "Sanitizer" in text or self.p.returncode != 0:
            raise RuntimeError(f"the daemon ended with {self.p.returncode}: {text[-2000:]}")
