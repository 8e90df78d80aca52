"""Bottles that no brew would make. Their digests in the signed documents are right, so what is
wrong is found while unpacking, or not at all.

Each says what is expected: `refuse`: an error, nothing installed; `accept`: poured as if nothing
were odd; `either`: both are defensible, a crash or a file outside the keg is not.
"""
import functools
import random
import struct
import zlib

import archive
from archive import Member
from formula import Formula

ESCAPE = b"/tmp/brewfs-world-escape"
MTIME = 1782000000


def _directory(name, mode=0o755):
    return Member(name + b"/", archive.DIRECTORY, mode=mode, mtime=MTIME)


def _file(name, data=b"data\n", mode=0o644, **fields):
    return Member(name, data=data, mode=mode, mtime=MTIME, **fields)


def _link(name, target, kind=archive.SYMLINK):
    return Member(name, kind, link=target, mode=0o777, mtime=MTIME)


def _ordinary(top):
    """What every one of these bottles begins with."""
    return [_directory(top), _directory(top + b"/libexec"), _file(top + b"/libexec/ordinary")]


def _with(*extra):
    """A bottle of the ordinary members and what `extra` (functions of the top directory) makes."""
    def make(top):
        return archive.gzip(archive.tar(_ordinary(top) + [one(top) for one in extra]))
    return make


def _only(*made):
    def make(top):
        return archive.gzip(archive.tar([one(top) for one in made]))
    return make


NAMES = [
    ("dotdot", "a name that climbs out of the Cellar",
     _with(lambda top: _file(top + b"/../../../brewfs-world-escape"))),
    ("dotdot-neighbour", "a name that climbs into another keg",
     _with(lambda top: _file(top + b"/libexec/../../../jq/1.8.2/bin/jq"))),
    ("dotdot-inside", "`..` in a name that stays in the keg",
     _with(lambda top: _file(top + b"/libexec/../bin/x"))),
    ("dotdot-last", "a directory named `..`", _with(lambda top: _directory(top + b"/libexec/.."))),
    ("absolute", "an absolute name", _with(lambda top: _file(ESCAPE))),
    ("absolute-slashes", "a name with two leading slashes",
     _with(lambda top: _file(b"/" + ESCAPE))),
    ("absolute-pax", "an absolute name in a pax record",
     _with(lambda top: _file(top + b"/libexec/x", pax={b"path": ESCAPE}))),
    ("wrong-top", "another formula's directory", _with(lambda top: _file(b"jq/1.8.2/bin/jq"))),
    ("wrong-top-only", "nothing but another formula's directory",
     _only(lambda top: _file(b"other/1.0/share/x"))),
    ("wrong-version", "another version's directory",
     _with(lambda top: _file(top.replace(b"/1.0", b"/2.0") + b"/libexec/x"))),
    ("no-version", "a member beside the version's directory",
     _with(lambda top: _file(top.split(b"/")[0] + b"/x"))),
    ("prefix-of-top", "a top directory that merely begins alike",
     _with(lambda top: _file(top + b"0/share/x"))),
    ("empty-name", "a member without a name", _with(lambda top: _file(b""))),
    ("component-256", "a component of 256 bytes",
     _with(lambda top: _file(top + b"/libexec/" + b"n" * 256))),
    ("path-5000", "a path of 5000 bytes",
     _with(lambda top: _file(top + b"/libexec" + b"/part" * 1000))),
    ("pax-name-nul", "a NUL in a pax name",
     _with(lambda top: _file(top + b"/libexec/x", pax={b"path": top + b"/libexec/a\0b"}))),
]
KINDS = [
    ("character-device", "a character device", _with(
        lambda top: Member(top + b"/libexec/null", archive.CHARDEV, device=(1, 3)))),
    ("block-device", "a block device", _with(
        lambda top: Member(top + b"/libexec/disk", archive.BLOCKDEV, device=(8, 0)))),
    ("fifo", "a FIFO", _with(lambda top: Member(top + b"/libexec/fifo", archive.FIFO))),
    ("unknown-kind", "a member of an unknown kind",
     _with(lambda top: Member(top + b"/libexec/what", b"Z"))),
]
LINKS = [
    ("hardlink-absolute", "a hardlink to an absolute path",
     _with(lambda top: _link(top + b"/libexec/passwd", b"/etc/passwd", archive.HARDLINK))),
    ("hardlink-dotdot", "a hardlink that climbs out of the keg", _with(lambda top: _link(
        top + b"/libexec/passwd", top + b"/../../../../../etc/passwd", archive.HARDLINK))),
    ("hardlink-neighbour", "a hardlink to another keg's file",
     _with(lambda top: _link(top + b"/libexec/jq", b"jq/1.8.2/bin/jq", archive.HARDLINK))),
    ("hardlink-missing", "a hardlink to a member that never comes",
     _with(lambda top: _link(top + b"/libexec/x", top + b"/libexec/missing", archive.HARDLINK))),
    ("hardlink-forward", "a hardlink before its target", _with(
        lambda top: _link(top + b"/libexec/x", top + b"/libexec/y", archive.HARDLINK),
        lambda top: _file(top + b"/libexec/y"))),
    ("hardlink-self", "a hardlink to itself",
     _with(lambda top: _link(top + b"/libexec/x", top + b"/libexec/x", archive.HARDLINK))),
    ("hardlink-directory", "a hardlink to a directory",
     _with(lambda top: _link(top + b"/libexec/x", top + b"/libexec", archive.HARDLINK))),
    ("hardlink-through-link", "a hardlink to a file reached by a symlink out of the keg", _with(
        lambda top: _link(top + b"/libexec/out", b"/etc"),
        lambda top: _link(top + b"/libexec/x", top + b"/libexec/out/passwd", archive.HARDLINK))),
    ("symlink-through", "a symlink to an absolute place, then a file through it", _with(
        lambda top: _link(top + b"/lib", b"/tmp"),
        lambda top: _file(top + b"/lib/brewfs-world-escape"))),
    ("symlink-through-relative", "a relative symlink out of the keg, then a file through it", _with(
        lambda top: _link(top + b"/lib", b"../../../../tmp"),
        lambda top: _file(top + b"/lib/brewfs-world-escape"))),
    ("symlink-through-inside", "a symlink within the keg, then a file through it", _with(
        lambda top: _link(top + b"/lib", b"libexec"), lambda top: _file(top + b"/lib/x"))),
    ("symlink-chain", "a chain of symlinks, then a file through them", _with(
        lambda top: _link(top + b"/a", b"b"), lambda top: _link(top + b"/b", b"/tmp"),
        lambda top: _file(top + b"/a/brewfs-world-escape"))),
    ("symlink-replaces", "a directory, then a symlink of that name, then a file in it", _with(
        lambda top: _directory(top + b"/lib"), lambda top: _link(top + b"/lib", b"/tmp"),
        lambda top: _file(top + b"/lib/brewfs-world-escape"))),
    ("symlink-then-file", "a symlink out of the keg, then a file of the same name", _with(
        lambda top: _link(top + b"/libexec/x", ESCAPE), lambda top: _file(top + b"/libexec/x"))),
    ("symlink-top", "the version's directory is a symlink", _only(
        lambda top: _link(top, b"/tmp"), lambda top: _file(top + b"/brewfs-world-escape"))),
    ("symlink-empty", "a symlink to nothing", _with(lambda top: _link(top + b"/libexec/x", b""))),
]
SIZES = [
    ("size-2gib", "a header that claims 2 GiB, and little behind it",
     _with(lambda top: _file(top + b"/libexec/x", size=2 << 30))),
    ("size-base256", "a header that claims 2^62 bytes",
     _with(lambda top: _file(top + b"/libexec/x", size=1 << 62))),
    ("size-negative", "a header that claims a negative size",
     _with(lambda top: _file(top + b"/libexec/x", size=-512))),
    ("size-pax", "a pax record that claims a size of 30 digits",
     _with(lambda top: _file(top + b"/libexec/x", pax={b"size": b"9" * 30}))),
    ("size-pax-not-number", "a pax size that is no number",
     _with(lambda top: _file(top + b"/libexec/x", pax={b"size": b"many"}))),
    ("pax-length", "a pax record whose length runs past its end", _with(lambda top: _raw_pax(
        b"999 path=" + top + b"/libexec/x\n"))),
    ("pax-huge", "a pax header of 64 MiB",
     _with(lambda top: _raw_pax(archive.pax_record(b"comment", b"c" * (64 << 20))))),
    ("symlink-with-size", "a symlink whose header claims contents", _with(
        lambda top: Member(top + b"/libexec/x", archive.SYMLINK, b"y" * 512, link=b"ordinary"))),
    ("sparse-bomb", "a sparse member that claims 1 TiB", _with(lambda top: _gnu_sparse(
        top + b"/libexec/x", 1 << 40, [(0, 512)], b"s" * 512))),
    ("sparse-overlap", "a sparse member whose pieces overlap and run backwards", _with(
        lambda top: _gnu_sparse(top + b"/libexec/x", 4096, [(2048, 512), (0, 512)], b"s" * 1024))),
]


def _raw_pax(records):
    carrier = Member(b"./PaxHeaders/x", archive.PAX, records, raw_name=True)
    return archive.encode(carrier)


def _gnu_sparse(name, real_size, pieces, data):
    """Old GNU format: up to four (offset, length) in the header's tail, then the real size."""
    numbers = [number for piece in pieces for number in piece]
    tail = bytearray(167)
    for index, number in enumerate(numbers):
        tail[41 + 12 * index:53 + 12 * index] = archive.number(number, 12)
    tail[138:150] = archive.number(real_size, 12)
    return Member(name, archive.GNU_SPARSE, data, mtime=MTIME, magic=b"ustar  \0", tail=bytes(tail),
                  raw_name=True)


def _sparse_pax(top):
    """GNU format 1.0: the map stands before the data, the name and size in pax records."""
    table = b"2\n0\n512\n1048576\n512\n".ljust(512, b"\0")
    data = table + b"a" * 512 + b"b" * 512
    return Member(top + b"/GNUSparseFile.0/sparse", data=data, mtime=MTIME, pax={
        b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0",
        b"GNU.sparse.name": top + b"/libexec/sparse", b"GNU.sparse.realsize": b"1049088"})


def _good(top):
    return archive.gzip(archive.tar(_ordinary(top)))


@functools.lru_cache(maxsize=1)
def _zeros():
    """A little more than 1 GiB."""
    return archive.gzip_zeros(1025)


def _bomb(top):
    """1 GiB of zeros in one file, 1 MiB to download."""
    head = archive.tar(_ordinary(top) + [_file(top + b"/libexec/x", b"", size=1 << 30)])
    # tar() ends the archive too early for a gigabyte, so cut the end off and let zeros follow
    head = head[:len(_tar_without_end(_ordinary(top))) + archive.BLOCK]
    return archive.gzip(head) + _zeros()


def _tar_without_end(members):
    return b"".join(archive.encode(member) for member in members)


def _cut_tar(top):
    data = archive.tar(_ordinary(top) + [_file(top + b"/libexec/long", b"x" * 10000)])
    return archive.gzip(data[:5 * archive.BLOCK + 1000])


def _bad_checksum(top):
    return archive.gzip(archive.tar(_ordinary(top) + [_file(top + b"/libexec/x", checksum=1234)]))


def _patched_trailer(crc_change, size_change):
    def make(top):
        data = _good(top)
        crc, size = struct.unpack("<II", data[-8:])
        return data[:-8] + struct.pack("<II", crc ^ crc_change, (size + size_change) & 0xffffffff)
    return make


def _damaged_deflate(top):
    """A block type that does not exist, right after the gzip header."""
    return archive.gzip_head() + b"\x07" + _good(top)[11:]


def _many_members(top):
    """100,000 empty files: a bomb of names."""
    block = archive.encode(_file(top + b"/libexec/n000000", b""))
    start = block.index(b"n000000")
    parts = []
    for number in range(100000):
        header = bytearray(block)
        header[start:start + 7] = b"n%06d" % number
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        parts.append(bytes(header))
    return archive.gzip(archive.tar(_ordinary(top) + parts), level=1)


STREAMS = [
    ("bomb", "1 GiB of zeros in one file of the bottle", _bomb),
    ("bomb-tail", "1 GiB of zeros after the end of the archive",
     lambda top: _good(top) + _zeros()),
    ("truncated-gzip", "gzip ends half way", lambda top: _good(top)[:len(_good(top)) // 2]),
    ("truncated-trailer", "gzip without its trailer", lambda top: _good(top)[:-8]),
    ("truncated-tar", "tar ends within a file", _cut_tar),
    ("zero-bytes", "a file of zero bytes", lambda top: b""),
    ("gzip-of-nothing", "gzip of nothing", lambda top: archive.gzip(b"")),
    ("html", "a page in place of a bottle",
     lambda top: b"<!DOCTYPE html><html><body>Sign in to the network</body></html>\n" * 20),
    ("gzip-crc", "gzip with a wrong CRC", _patched_trailer(1, 0)),
    ("gzip-size", "gzip with a wrong length", _patched_trailer(0, 1)),
    ("gzip-damaged", "gzip with a broken block", _damaged_deflate),
    ("tar-checksum", "a tar header with a wrong checksum", _bad_checksum),
    ("noise", "gzip of noise", lambda top: archive.gzip(random.Random(1).randbytes(20000))),
]
EITHER = [
    ("no-end", "tar without its end",
     lambda top: archive.gzip(_tar_without_end(_ordinary(top)))),
    ("tar-of-nothing", "tar with no members", lambda top: archive.gzip(archive.tar([]))),
    ("only-top", "nothing but the top directory", _only(_directory)),
    ("trailing-garbage", "garbage after the gzip stream",
     lambda top: _good(top) + b"garbage" * 100),
    ("trailing-zeros", "zeros after the gzip stream", lambda top: _good(top) + b"\0" * 1000),
    ("not-gzip", "tar without gzip", lambda top: archive.tar(_ordinary(top))),
    ("dot-slash", "names that begin with ./", _only(
        lambda top: _directory(b"./" + top),
        lambda top: _file(b"./" + top + b"/libexec/ordinary"))),
    ("dot-inside", "a `.` within a name", _with(lambda top: _file(top + b"/./share/x"))),
    ("double-slash", "two slashes within a name", _with(lambda top: _file(top + b"//share//x"))),
    ("duplicate", "the same path twice, with other contents", _with(
        lambda top: _file(top + b"/libexec/x", b"first\n"),
        lambda top: _file(top + b"/libexec/x", b"second\n"))),
    ("file-then-directory", "a file, then a directory of the same name", _with(
        lambda top: _file(top + b"/libexec/x"), lambda top: _directory(top + b"/libexec/x"),
        lambda top: _file(top + b"/libexec/x/y"))),
    ("directory-then-file", "a directory with a file, then a file of its name", _with(
        lambda top: _file(top + b"/libexec/x/y"), lambda top: _file(top + b"/libexec/x"))),
    ("many-members", "100,000 empty files", _many_members),
    ("global-path", "a global pax header that sets a path",
     _only(lambda top: archive.pax_header({b"path": top + b"/libexec/all"}, archive.PAX_GLOBAL),
           _directory, lambda top: _file(top + b"/libexec/x"))),
]
ACCEPT = [
    ("multi-member", "gzip in four members", lambda top: _multi_member(top)),
    ("empty-member", "an empty gzip member in the middle", lambda top: _multi_member(top, b"")),
    ("gzip-fields", "a gzip header with extra field, name, comment and CRC",
     lambda top: _gzip_fields(top)),
    ("directories-last", "directories after their files", lambda top: archive.gzip(archive.tar([
        _file(top + b"/a/b/x"), _file(top + b"/libexec/ordinary"), _directory(top + b"/a/b", 0o700),
        _directory(top + b"/a"), _directory(top + b"/libexec"), _directory(top)]))),
    ("no-directories", "no directory members at all", lambda top: archive.gzip(archive.tar([
        _file(top + b"/libexec/ordinary"), _file(top + b"/a/b/c/x")]))),
    ("read-only-directories", "0555 directories before their files", lambda top: archive.gzip(
        archive.tar([_directory(top, 0o555), _directory(top + b"/libexec", 0o555),
                     _file(top + b"/libexec/ordinary", mode=0o444)]))),
    ("duplicate-directory", "a directory twice", _with(lambda top: _directory(top + b"/libexec"))),
    ("latin1-raw", "a name that is not UTF-8, without a pax record",
     _with(lambda top: _file(top + b"/libexec/\xe9\xff", raw_name=True))),
    ("latin1-pax", "a name that is not UTF-8, in a pax record",
     _with(lambda top: _file(top + b"/libexec/\xe9\xff-pax"))),
    ("long-name-gnu", "a long name and a long target as GNU tar writes them", _with(
        lambda top: archive.gnu_long(archive.GNU_LONGNAME, top + b"/libexec/" + b"g" * 180)
        + archive.encode(_file(top + b"/libexec/" + b"g" * 80, raw_name=True)),
        lambda top: archive.gnu_long(archive.GNU_LONGLINK, b"t" * 300)
        + archive.encode(_link(top + b"/libexec/long-target", b"t" * 90)))),
    ("long-name-ustar", "a long name split over name and prefix", _with(lambda top: Member(
        b"n" * 90, data=b"x\n", raw_name=True, tail=top + b"/libexec/" + b"p" * 80))),
    ("pax-unknown", "unknown pax keys, extended attributes, AppleDouble", _with(
        lambda top: _file(top + b"/libexec/x", pax={
            b"LIBARCHIVE.xattr.user.x": b"eA==", b"SCHILY.xattr.user.y": b"y",
            b"SCHILY.fflags": b"nodump", b"comment": b"none", b"VENDOR.key": b"v=w=z"}),
        lambda top: _file(top + b"/libexec/._x", b"\0\5\x16\7AppleDouble"))),
    ("pax-times", "times with fractions, in pax records, before 1970 and after 2106", _with(
        lambda top: _file(top + b"/libexec/fraction", pax={b"mtime": b"1700000000.123456789"}),
        lambda top: _file(top + b"/libexec/early", pax={b"mtime": b"-1000.5"}),
        lambda top: _file(top + b"/libexec/late", pax={b"mtime": b"9999999999"}))),
    ("owners", "other owners, numbers and names", _with(lambda top: _file(
        top + b"/libexec/x", uid=4294967294, gid=1000, owner=b"runner", group=b"docker"))),
    ("set-id", "setuid, setgid and sticky bits: dropped", _with(
        lambda top: _file(top + b"/libexec/setuid", mode=0o4755),
        lambda top: _file(top + b"/libexec/setgid", mode=0o2755),
        lambda top: _directory(top + b"/libexec/sticky", 0o1777))),
    ("mode-bits", "mode numbers with bits of the file type", _with(
        lambda top: _file(top + b"/libexec/x", mode=0o100644))),
    ("sparse-gnu", "a sparse file in GNU's old format", _with(lambda top: _gnu_sparse(
        top + b"/libexec/x", 1 << 20, [(0, 512), ((1 << 20) - 512, 512)],
        b"a" * 512 + b"b" * 512))),
    ("sparse-pax", "a sparse file in GNU's pax format 1.0", _with(_sparse_pax)),
    ("v7", "the format before ustar", _with(
        lambda top: Member(top + b"/libexec/old", b"\0", b"old\n", magic=b"\0" * 8))),
    ("contiguous", "a contiguous file", _with(
        lambda top: Member(top + b"/libexec/x", archive.CONTIGUOUS, b"x\n"))),
    ("same-case", "names that differ by case", _with(
        lambda top: _file(top + b"/libexec/README"), lambda top: _file(top + b"/libexec/readme"))),
    ("dangling-out", "a symlink out of the keg that nothing goes through", _with(
        lambda top: _link(top + b"/libexec/out", b"../../../../../etc/passwd"))),
]


def _multi_member(top, between=None):
    data = archive.tar(_ordinary(top) + [_file(top + b"/libexec/long", b"x" * 20000)])
    cuts = [data[:700], data[700:5000], data[5000:5001], data[5001:]]
    if between is not None:
        cuts.insert(2, between)
    return b"".join(archive.gzip(cut) for cut in cuts)


def _gzip_fields(top):
    data = archive.tar(_ordinary(top))
    head = (b"\x1f\x8b\x08\x1e" + struct.pack("<IBB", 0, 2, 3) + struct.pack("<H", 6) + b"XX\2\0ab"
            + b"name.tar\0" + b"comment\0")
    head += struct.pack("<H", zlib.crc32(head) & 0xffff)
    return head + archive.gzip(data)[10:]


def formulae():
    """One formula per case, named by what is expected: bad-, odd-, ok-."""
    tolerable = {"hardlink-forward", "symlink-through-inside", "symlink-then-file", "bomb-tail",
                 "dotdot-inside", "symlink-with-size", "sparse-overlap", "size-pax-not-number",
                 # POSIX has unknown kinds read as files; a name ends at its NUL for every C program
                 "pax-name-nul", "unknown-kind"}
    cases = [("refuse", case) for case in NAMES + KINDS + LINKS + SIZES + STREAMS]
    cases = [("either" if case[0] in tolerable else expect, case) for expect, case in cases]
    cases += [("either", case) for case in EITHER] + [("accept", case) for case in ACCEPT]
    prefixes = {"refuse": "bad", "either": "odd", "accept": "ok"}
    return [Formula(f"{prefixes[expect]}-{name}", "1.0", what, raw=make, expect=expect)
            for expect, (name, what, make) in cases]
