"""Random operations on a directory, as data that can be made, carried out anywhere, compared and shrunk.

An operation is a tuple of a name and arguments. Side.run() carries it out below a root and returns what a program would
see of it; two filesystems that begin alike must return the same for the same sequence.
"""

import errno
import hashlib
import mmap
import os
import random
import stat

NAMES = ["a", "b", "c", "d", "e", "f", "g", "h", "i"]
SLOTS = 6
KEYS = ["user.one", "user.two", "user.three"]
SIZES = [0, 1, 5, 100, 4095, 4096, 4097, 20000, 70000, 131072, 200001]
FLAGS = [os.O_CREAT, os.O_CREAT | os.O_EXCL, os.O_TRUNC, os.O_CREAT | os.O_TRUNC, os.O_APPEND, os.O_NOFOLLOW,
         os.O_DIRECTORY, 0, 0, 0, 0, os.O_CREAT, os.O_CREAT]
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2


def data(size, seed):
    return random.Random(seed).randbytes(size)


class Generator:
    """Makes operations. `side` is one that runs along: mostly names and slots that it has are taken."""

    WEIGHTS = ("write:6 append:3 truncate:3 mkdir:7 rmdir:3 unlink:5 rename:12 exchange:2 link:5 symlink:3 chmod:4 "
               "chown:3 utimens:4 setxattr:4 removexattr:2 mknod:2 list:3 read:4 stat:3 rmtree:1 open:12 pwrite:10 "
               "pread:5 ftruncate:4 fallocate:2 close:4 fsync:2 store:5 fstat:3 fchmod:2 copy:3")
    # What changes names and attributes only, each at once or not at all, in order (times need not be).
    NAMES_ONLY = "mkdir:8 rmdir:3 unlink:4 rename:12 exchange:2 link:5 symlink:4 chmod:5 setxattr:4 mknod:6"

    def __init__(self, rng, side, weights=WEIGHTS, special=True):
        """`special`: with fifos and sockets."""
        self.rng, self.side = rng, side
        self.nodes = [stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFREG] if special else [stat.S_IFREG]
        self.files, self.directories, self.others = [], [""], []
        self.ago = 0
        self.weights = [(getattr(self, name), int(weight)) for name, weight in (
            item.split(":") for item in weights.split())]

    def next(self):
        if self.ago == 0:
            self.learn()
        self.ago = (self.ago + 1) % 8
        make = self.rng.choices([make for make, _ in self.weights], [weight for _, weight in self.weights])[0]
        return (make.__name__, *make())

    def learn(self):
        root = self.side.root
        self.files, self.directories, self.others = [], [""], []
        for top, directories, files in os.walk(root):
            for name in directories + files:
                path = os.path.join(top, name)
                kind = stat.S_IFMT(os.lstat(path).st_mode)
                {stat.S_IFREG: self.files, stat.S_IFDIR: self.directories}.get(kind, self.others).append(
                    os.path.relpath(path, root))

    def some(self, *lists):
        """A name that is there, of the first list nine times of ten."""
        names = lists[0] if lists[0] and self.rng.random() < 0.9 else \
            self.files + self.directories[1:] + self.others
        return self.rng.choice(names) if names else self.rng.choice(NAMES)

    def any(self):
        return self.some(self.files + self.directories[1:] + self.others)

    def file(self):
        return self.some(self.files) if self.rng.random() < 0.9 else self.new()

    def directory(self):
        return self.some(self.directories[1:])

    def new(self):
        """Mostly in a directory that is there; the name itself may be taken."""
        if self.rng.random() < 0.1:
            return "/".join(self.rng.choice(NAMES) for _ in range(self.rng.choice([1, 2, 3, 4])))
        return os.path.join(self.rng.choice(self.directories), self.rng.choice(NAMES))

    def size(self):
        return self.rng.choice(SIZES)

    def seed(self):
        return self.rng.randrange(1 << 20)

    def slot(self):
        taken = sorted(self.side.slots)
        return self.rng.choice(taken) if taken and self.rng.random() < 0.9 else self.rng.randrange(SLOTS)

    def write(self):
        return self.file() if self.rng.random() < 0.5 else self.new(), self.size(), self.seed()

    def append(self):
        return self.file(), self.size() % 30000, self.seed()

    def truncate(self):
        return self.file(), self.size()

    def mkdir(self):
        return self.new(), self.rng.choice([0o755, 0o700, 0o2755])

    def rmdir(self):
        return (self.directory(),)

    def unlink(self):
        return (self.file(),)

    def rename(self):
        return (self.any(), self.new() if self.rng.random() < 0.6 else self.any(),
                self.rng.choice([0, 0, 0, RENAME_NOREPLACE]))

    def exchange(self):
        return self.any(), self.any()

    def link(self):
        return self.file(), self.new()

    def symlink(self):
        target = "/".join(self.rng.choice(NAMES) for _ in range(self.rng.choice([1, 1, 2])))
        return target, self.new()

    def chmod(self):
        return self.any(), self.rng.choice([0o644, 0o600, 0o755, 0o4755, 0o2755, 0o1777, 0])

    def chown(self):
        return self.any(), self.rng.choice([-1, 0, 1001]), self.rng.choice([-1, 0, 2001])

    def utimens(self):
        return self.any(), self.rng.randrange(10 ** 18), self.rng.randrange(10 ** 18), self.rng.choice([True, False])

    def setxattr(self):
        return (self.some(self.files + self.directories[1:]), self.rng.choice(KEYS),
                self.rng.choice([0, 1, 10, 200]), self.seed(), self.rng.choice([0, 0, 1, 2]))

    def removexattr(self):
        return self.some(self.files + self.directories[1:]), self.rng.choice(KEYS)

    def mknod(self):
        return self.new(), self.rng.choice(self.nodes) | 0o640

    def list(self):
        return (self.directory(),)

    def read(self):
        return (self.file(),)

    def stat(self):
        return (self.any(),)

    def rmtree(self):
        return (self.directory(),)

    def open(self):
        access = self.rng.choice([os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDWR, os.O_RDWR])
        return self.rng.randrange(SLOTS), self.file(), access | self.rng.choice(FLAGS)

    def pwrite(self):
        return self.slot(), self.size(), self.size(), self.seed()

    def pread(self):
        return self.slot(), self.size(), self.size()

    def ftruncate(self):
        return self.slot(), self.size()

    def fallocate(self):
        return self.slot(), self.size(), self.size() + 1

    def close(self):
        return (self.slot(),)

    def fsync(self):
        return (self.slot(),)

    def store(self):
        return self.slot(), self.size(), self.rng.choice([1, 100, 5000]), self.seed()

    def fstat(self):
        return (self.slot(),)

    def fchmod(self):
        return self.slot(), self.rng.choice([0o644, 0o600, 0o755])

    def copy(self):
        return self.slot(), self.slot(), self.size(), self.size(), self.size() + 1


class Side:
    """Carries operations out below a root. `began`: times from then on are "now", earlier ones were set."""

    def __init__(self, root, libc, began, counts_directories=True):
        self.root, self.libc, self.began, self.counts_directories = root, libc, began, counts_directories
        self.slots = {}

    def run(self, operation):
        """What comes of it: values, or the name of an error."""
        name, *arguments = operation
        try:
            return getattr(self, "do_" + name)(*arguments)
        except OSError as error:
            return errno.errorcode.get(error.errno, error.errno)

    def close(self):
        for fd in self.slots.values():
            os.close(fd)
        self.slots = {}

    def at(self, path):
        return os.path.join(self.root, path)

    def fd(self, slot):
        if slot not in self.slots:
            raise OSError(errno.EBADF, "the slot is empty")
        return self.slots[slot]

    # --- facts ---

    def time(self, ns):
        return "now" if ns >= self.began else ns

    def facts(self, st):
        kind = stat.S_IFMT(st.st_mode)
        directory = kind == stat.S_IFDIR
        return (stat.filemode(st.st_mode), st.st_uid, st.st_gid,
                st.st_nlink if self.counts_directories or not directory else "-",
                "-" if directory else st.st_size, self.time(st.st_mtime_ns))

    def whole(self, path, st):
        """Facts with contents and attributes."""
        facts = self.facts(st)
        kind = stat.S_IFMT(st.st_mode)
        if kind == stat.S_IFLNK:
            return facts + (os.readlink(path),)
        if kind == stat.S_IFREG:
            with open(path, "rb") as file:
                contents = file.read()
            facts += (hashlib.md5(contents).hexdigest()[:12],)
        if kind in (stat.S_IFREG, stat.S_IFDIR):
            facts += (self.attributes(path),)
        return facts

    @staticmethod
    def attributes(path):
        try:
            return sorted((key, os.getxattr(path, key)) for key in os.listxattr(path) if key.startswith("user."))
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:     # a generation has none
                return []
            raise

    def tree(self):
        """Every path with its facts; names of one file share the first of them."""
        paths = {}
        first = {}
        for top, directories, files in os.walk(self.root):
            directories.sort()
            for name in sorted(directories + files):
                path = os.path.join(top, name)
                short = os.path.relpath(path, self.root)
                st = os.lstat(path)
                same = first.setdefault(st.st_ino, short) if not stat.S_ISDIR(st.st_mode) else short
                paths[short] = (same,) + self.whole(path, st)
        return paths

    def stamps(self, operation):
        """Inode, ctime and mtime of what an operation may touch, and of the directories around."""
        found = {}
        for word in operation[1:]:
            if isinstance(word, str) and not word.startswith("user."):
                for path in (word, os.path.dirname(word)):
                    try:
                        st = os.lstat(self.at(path))
                    except OSError:
                        continue
                    found[path] = (st.st_ino, st.st_ctime_ns, st.st_mtime_ns)
        for slot in operation[1:3]:
            if isinstance(slot, int) and slot in self.slots:
                st = os.fstat(self.slots[slot])
                found[f"slot {slot}"] = (st.st_ino, st.st_ctime_ns, st.st_mtime_ns)
        return found

    @staticmethod
    def moved(before, after):
        """What has moved of each that was there before and after."""
        return {path: tuple(name for i, name in ((1, "ctime"), (2, "mtime")) if before[path][i] != after[path][i])
                for path in before if path in after and before[path][0] == after[path][0]}

    # --- by path ---

    def do_write(self, path, size, seed):
        with open(self.at(path), "wb", buffering=0, opener=nonblocking) as file:
            return file.write(data(size, seed))

    def do_append(self, path, size, seed):
        with open(self.at(path), "ab", buffering=0, opener=lambda p, f: nonblocking(p, f & ~os.O_CREAT)) as file:
            return file.write(data(size, seed))

    def do_truncate(self, path, size):
        return os.truncate(self.at(path), size)

    def do_mkdir(self, path, mode):
        return os.mkdir(self.at(path), mode)

    def do_rmdir(self, path):
        return os.rmdir(self.at(path))

    def do_unlink(self, path):
        return os.unlink(self.at(path))

    def do_rename(self, path, new, flags):
        return self.rename(path, new, flags)

    def do_exchange(self, path, new):
        return self.rename(path, new, RENAME_EXCHANGE)

    def rename(self, path, new, flags):
        import ctypes
        if self.libc.renameat2(-100, os.fsencode(self.at(path)), -100, os.fsencode(self.at(new)), flags) < 0:
            raise OSError(ctypes.get_errno(), "renameat2")

    def do_link(self, path, new):
        return os.link(self.at(path), self.at(new), follow_symlinks=False)

    def do_symlink(self, target, path):
        return os.symlink(target, self.at(path))

    def do_chmod(self, path, mode):
        return os.chmod(self.at(path), mode)

    def do_chown(self, path, uid, gid):
        return os.lchown(self.at(path), uid, gid)

    def do_utimens(self, path, atime, mtime, follow):
        os.utime(self.at(path), ns=(atime, mtime), follow_symlinks=follow)
        st = os.stat(self.at(path), follow_symlinks=follow)
        return st.st_atime_ns, st.st_mtime_ns

    def do_setxattr(self, path, key, size, seed, flags):
        return os.setxattr(self.at(path), key, data(size, seed), flags)

    def do_removexattr(self, path, key):
        return os.removexattr(self.at(path), key)

    def do_mknod(self, path, mode):
        return os.mknod(self.at(path), mode)

    def do_list(self, path):
        with os.scandir(self.at(path)) as entries:
            return sorted((entry.name, stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode)) for entry in entries)

    def do_read(self, path):
        with open(self.at(path), "rb", buffering=0, opener=nonblocking) as file:
            return file.readall() if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else "no file"

    def do_stat(self, path):
        return self.facts(os.stat(self.at(path)))

    def do_rmtree(self, path):
        """As rm -r; the number of names that went."""
        path = self.at(path)
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
            return 1
        count = 0
        for top, directories, files in os.walk(path, topdown=False):
            for name in directories + files:
                name = os.path.join(top, name)
                (os.rmdir if stat.S_ISDIR(os.lstat(name).st_mode) else os.unlink)(name)
                count += 1
        os.rmdir(path)
        return count + 1

    # --- by descriptor ---

    def do_open(self, slot, path, flags):
        fd = os.open(self.at(path), flags | os.O_NONBLOCK, 0o640)
        if slot in self.slots:
            os.close(self.slots[slot])
        self.slots[slot] = fd
        return self.facts(os.fstat(fd))

    def do_pwrite(self, slot, offset, size, seed):
        return os.pwrite(self.fd(slot), data(size, seed), offset)

    def do_pread(self, slot, offset, size):
        return os.pread(self.fd(slot), size, offset)

    def do_ftruncate(self, slot, size):
        return os.ftruncate(self.fd(slot), size)

    def do_fallocate(self, slot, offset, size):
        return os.posix_fallocate(self.fd(slot), offset, size)

    def do_close(self, slot):
        os.close(self.fd(slot))
        del self.slots[slot]

    def do_fsync(self, slot):
        return os.fsync(self.fd(slot))

    def do_store(self, slot, offset, size, seed):
        """Through a shared mapping, as far as the file goes."""
        fd = self.fd(slot)
        end = os.fstat(fd).st_size
        if not stat.S_ISREG(os.fstat(fd).st_mode) or offset >= end:
            return "nothing to store to"
        with mmap.mmap(fd, end, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE) as mapping:
            size = min(size, end - offset)
            mapping[offset:offset + size] = data(size, seed)
            if seed & 1:
                mapping.flush()
        return size

    def do_fstat(self, slot):
        return self.facts(os.fstat(self.fd(slot)))

    def do_fchmod(self, slot, mode):
        return os.fchmod(self.fd(slot), mode)

    def do_copy(self, slot, other, source, destination, size):
        """copy_file_range; how much one call copies is the filesystem's affair, so until it ends."""
        total = 0
        while total < size:
            count = os.copy_file_range(self.fd(slot), self.fd(other), size - total, source + total, destination + total)
            if count == 0:
                break
            total += count
        return total


def nonblocking(path, flags):
    return os.open(path, flags | os.O_NONBLOCK, 0o640)


def shrink(operations, fails, budget):
    """A short sequence that still fails: drops parts, from halves to single ones, while `budget()` lets it."""
    size = max(len(operations) // 2, 1)
    while size >= 1:
        i = 0
        while i < len(operations) and budget():
            shorter = operations[:i] + operations[i + size:]
            if shorter and fails(shorter):
                operations = shorter
            else:
                i += size
        size //= 2
    return operations
