"""Tar and gzip, written header by header.

A bottle that is as brew makes it and one that no tar program would write come out of the same few
functions: a Member says what its header claims, and nothing is checked.
"""
import struct
import zlib
from dataclasses import dataclass, field

BLOCK = 512
RECORD = 20 * BLOCK

FILE, HARDLINK, SYMLINK, CHARDEV, BLOCKDEV, DIRECTORY, FIFO, CONTIGUOUS = (
    b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7")
PAX, PAX_GLOBAL, GNU_LONGNAME, GNU_LONGLINK, GNU_SPARSE = b"x", b"g", b"L", b"K", b"S"


@dataclass
class Member:
    """One entry of an archive. `size` and `checksum`: what the header claims, None: the truth."""
    name: bytes
    kind: bytes = FILE
    data: bytes = b""
    mode: int = 0o644
    link: bytes = b""
    mtime: int = 0
    uid: int = 0
    gid: int = 0
    owner: bytes = b""
    group: bytes = b""
    device: tuple = (0, 0)
    size: int | None = None
    checksum: int | None = None
    pax: dict = field(default_factory=dict)
    magic: bytes = b"ustar\x0000"
    tail: bytes = b""            # of the header, from offset 345: the prefix, or GNU's sparse map
    raw_name: bool = False       # never a pax record for the name, whatever its length and bytes


def number(value, width):
    """A numeric field: octal where it fits, else GNU's base-256."""
    digits = width - 1
    if 0 <= value < 8 ** digits:
        return b"%0*o\0" % (digits, value)
    return bytes([0xff if value < 0 else 0x80]) + (value % 256 ** digits).to_bytes(digits, "big")


def _header(member, name, link, kind, size):
    block = bytearray(BLOCK)
    block[0:100] = name[:100].ljust(100, b"\0")
    block[100:108] = number(member.mode, 8)
    block[108:116] = number(member.uid, 8)
    block[116:124] = number(member.gid, 8)
    block[124:136] = number(size, 12)
    block[136:148] = number(member.mtime, 12)
    block[156:157] = kind
    block[157:257] = link[:100].ljust(100, b"\0")
    block[257:265] = member.magic
    block[265:297] = member.owner.ljust(32, b"\0")
    block[297:329] = member.group.ljust(32, b"\0")
    if kind in (CHARDEV, BLOCKDEV):
        block[329:337] = number(member.device[0], 8)
        block[337:345] = number(member.device[1], 8)
    block[345:345 + len(member.tail)] = member.tail
    block[148:156] = b" " * 8
    checksum = sum(block) if member.checksum is None else member.checksum
    block[148:156] = b"%06o\0 " % checksum
    return bytes(block)


def _padded(data):
    return data + b"\0" * (-len(data) % BLOCK)


def pax_record(key, value):
    """`LENGTH key=value\\n`, where LENGTH counts itself."""
    body = b" " + key + b"=" + value + b"\n"
    length = len(body)
    while length != len(body) + len(b"%d" % length):
        length = len(body) + len(b"%d" % length)
    return b"%d" % length + body


def pax_header(records, kind=PAX):
    """An extended header for the member that follows (or, kind `g`, for all that follow)."""
    data = b"".join(pax_record(key, value) for key, value in records.items())
    carrier = Member(b"./PaxHeaders/x")
    return _header(carrier, carrier.name, b"", kind, len(data)) + _padded(data)


def gnu_long(kind, value):
    """GNU tar's own way to say a long name (L) or a long link target (K)."""
    carrier = Member(b"././@LongLink", magic=b"ustar  \0")
    data = value + b"\0"
    return _header(carrier, carrier.name, b"", kind, len(data)) + _padded(data)


def _needs_pax(value):
    return len(value) > 100 or not value.isascii()


def encode(member):
    """One member as bytes; names as `tar --format=pax` writes them."""
    records = dict(member.pax)
    if not member.raw_name:
        if _needs_pax(member.name):
            records.setdefault(b"path", member.name)
        if _needs_pax(member.link):
            records.setdefault(b"linkpath", member.link)
    size = len(member.data) if member.size is None else member.size
    head = pax_header(records) if records else b""
    return head + _header(member, member.name, member.link, member.kind, size) + _padded(
        member.data)


def end_of_archive(length):
    """Two empty blocks, padded to tar's record size."""
    return b"\0" * (2 * BLOCK + -(length + 2 * BLOCK) % RECORD)


def tar(members):
    """An archive of Members; a bytes element goes in as it is."""
    body = b"".join(member if isinstance(member, bytes) else encode(member) for member in members)
    return body + end_of_archive(len(body))


def gzip_head(name=b"", mtime=0):
    """The gzip header as brew's `gzip` writes it: with name and time, made on Unix."""
    flags = 8 if name else 0
    head = struct.pack("<4BIBB", 0x1f, 0x8b, 8, flags, mtime, 0, 3)
    return head + name + b"\0" if name else head


def gzip(data, name=b"", mtime=0, level=6):
    """One gzip member."""
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15)
    body = deflate.compress(data) + deflate.flush()
    return gzip_head(name, mtime) + body + struct.pack(
        "<II", zlib.crc32(data), len(data) & 0xffffffff)


def gzip_zeros(count_mib):
    """A gzip member of that many MiB of zeros, made without compressing them all: a bomb."""
    chunk = b"\0" * (1 << 20)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = deflate.compress(chunk) + deflate.flush(zlib.Z_FULL_FLUSH)
    last = zlib.compressobj(9, zlib.DEFLATED, -15)
    crc = 0
    for _ in range(count_mib):
        crc = zlib.crc32(chunk, crc)
    return gzip_head() + first * count_mib + last.flush() + struct.pack(
        "<II", crc, (count_mib << 20) & 0xffffffff)
