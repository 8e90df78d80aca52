"""fill.py SIZE SEED - writes the bytes that mktree's `fill` makes."""
import struct
import sys


def fill(size, value):
    out = bytearray()
    while len(out) < size:
        value = (value * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
        out += struct.pack("<Q", value)
    return bytes(out[:size])


if __name__ == "__main__":
    sys.stdout.buffer.write(fill(int(sys.argv[1]), int(sys.argv[2])))
