# SPDX-License-Identifier: Apache-2.0
"""A swap file of one's own, and a way to send a process there.

    with SwapFile() as swap:  # NoSwap, with the reason, where there can be none
        page_out(pid)
        swap.content()

Run as a program it is the keeper of such a file: it ends it when its standard input closes, however its reader died.
"""
import ctypes, fcntl, mmap, os, re, struct, subprocess, sys, tempfile, uuid

SIZE = 64 << 20  # a daemon at work has 20 MB of its own
PAGE = mmap.PAGESIZE
FIRST = 0x8000 | 0x7fff  # swapon(2): before any other there is
MADV_PAGEOUT = 21
PROCESS_MADVISE = 440  # the number is the same on every architecture
ZSWAP = "/sys/module/zswap/parameters/enabled"
libc = ctypes.CDLL(None, use_errno=True)


class NoSwap(Exception):
    pass


def zswaps():
    try:
        with open(ZSWAP) as f:
            return f.read().strip() == "Y"
    except OSError:
        return False


class SwapFile:
    """`folder`: on a disk; in memory there is no swapping."""
    def __init__(self, folder):
        if zswaps():
            raise NoSwap("zswap keeps in memory what was to be written")
        self.only = open("/proc/swaps")  # the machine's: one test at a time looks for what it has sent there
        fcntl.flock(self.only, fcntl.LOCK_EX)
        handle, self.path = tempfile.mkstemp(prefix="swap-", dir=folder)
        os.close(handle)
        self.keeper = subprocess.Popen([sys.executable, os.path.abspath(__file__), self.path], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True)
        said = self.keeper.stdout.readline().strip()
        if said != "on":
            self.close()
            raise NoSwap("no swap can be added here: " + (said or "its keeper died"))

    def content(self):
        """What is on the disk: the kernel writes it past the file's own pages in memory."""
        with mmap.mmap(-1, SIZE) as room:
            handle = os.open(self.path, os.O_RDONLY | os.O_DIRECT)
            try:
                got = os.readv(handle, [room])
            finally:
                os.close(handle)
            assert got == SIZE, got
            return room[:]

    def close(self):
        self.keeper.stdin.close()
        self.keeper.stdout.close()
        self.keeper.wait()
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.only.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Range(ctypes.Structure):
    _fields_ = [("start", ctypes.c_void_p), ("bytes", ctypes.c_size_t)]


def advise(process, start, size):
    """How many bytes the kernel looked at; 0: of what is locked, and of its own, it says EINVAL."""
    one = Range(start, size)
    done = libc.syscall(ctypes.c_long(PROCESS_MADVISE), ctypes.c_long(process), ctypes.byref(one), ctypes.c_ulong(1),
                        ctypes.c_long(MADV_PAGEOUT), ctypes.c_ulong(0))
    if done < 0 and ctypes.get_errno() in (1, 38):  # EPERM, ENOSYS
        raise NoSwap("process_madvise: " + os.strerror(ctypes.get_errno()))
    return max(done, 0)


def page_out(pid):
    """Everything of the process that may leave memory leaves it, but for what is just being moved about: call it again."""
    with open(f"/proc/{pid}/maps") as f:
        ranges = [(int(m[1], 16), int(m[2], 16)) for m in map(re.compile(r"([0-9a-f]+)-([0-9a-f]+) ").match, f)]
    process = os.pidfd_open(pid)
    try:
        for start, end in ranges:
            advise(process, start, end - start)
    finally:
        os.close(process)


def in_swap(pid):
    """KiB of the process that are in swap, by the kernel's own count."""
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmSwap:\s*(\d+)", f.read())[1])


def has_swap():
    with open("/proc/swaps") as f:
        return len(f.readlines()) > 1


# ---- The keeper

def call(name, *args):
    if getattr(libc, name)(*args) != 0:
        raise OSError(ctypes.get_errno(), name + ": " + os.strerror(ctypes.get_errno()))


def make(path):
    """mkswap(8). Real zeros: blocks that are only promised could not be told from written ones."""
    with open(path, "r+b") as f:
        for _ in range(SIZE >> 20):
            f.write(bytes(1 << 20))
        f.seek(1024)
        f.write(struct.pack("=III", 1, SIZE // PAGE - 1, 0) + uuid.uuid4().bytes)
        f.seek(PAGE - 10)
        f.write(b"SWAPSPACE2")
        f.flush()
        os.fsync(f.fileno())


def keep(path):
    try:
        make(path)
        call("swapon", path.encode(), FIRST)
        print("on", flush=True)
        sys.stdin.read()
        call("swapoff", path.encode())
    except OSError as e:
        print(e.strerror, flush=True)
    finally:
        os.unlink(path)


if __name__ == "__main__":
    keep(sys.argv[1])
