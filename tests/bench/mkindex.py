"""A store with a prefix of a million names: the kegs of a poured one, many times over.

Contents are made up, so nothing can be read from it; what publishing and following cost is as real as the names.
"""
import hashlib
import json
import os
import shutil
import sqlite3

MASK = (1 << 64) - 1


def cookie(name):
    """As in brewfs-format(5)."""
    h = 0xcbf29ce484222325
    for byte in name:
        h = (h ^ byte) * 0x100000001b3 & MASK
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccd & MASK
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53 & MASK
    return ((h ^ (h >> 33)) >> 2) | 16


def number(db, sql):
    return int(db.execute(sql).fetchone()[0])


def grow(path, names):
    """Copies everything below the Cellar under other names until there are so many. Returns how many."""
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN")
    db.create_function("mix", 2, lambda d, k: hashlib.sha256(d + k.to_bytes(4, "little")).digest())
    cellar = number(db, "SELECT ino FROM dirent WHERE parent=1 AND name=CAST('Cellar' AS BLOB)")
    racks = db.execute("SELECT name, ino FROM dirent WHERE parent=?", (cellar,)).fetchall()
    db.execute("CREATE TEMP TABLE below(ino INTEGER PRIMARY KEY)")
    db.execute("INSERT OR IGNORE INTO below WITH RECURSIVE d(ino) AS (SELECT ino FROM dirent"
               " WHERE parent=? UNION SELECT x.ino FROM d JOIN dirent x ON x.parent=d.ino)"
               " SELECT ino FROM d", (cellar,))
    count = number(db, "SELECT count(*) FROM dirent")
    each = number(db, "SELECT count(*) FROM below")
    objects = number(db, "SELECT max(id) FROM object")
    first = step = number(db, "SELECT value FROM value WHERE key='next_ino'")
    copy = 0
    while count < names:
        copy, shift, count = copy + 1, first - 1, count + each
        db.execute("INSERT INTO object SELECT id+:o, mix(digest, :k), size, executable, pack, offset"
                   " FROM object WHERE id<=:n", {"o": copy * objects, "k": copy, "n": objects})
        db.execute("INSERT INTO inode SELECT i.ino+:s, mode, nlink, size, mtime, object+:o, target,"
                   " CASE parent WHEN :c THEN parent ELSE parent+:s END"
                   " FROM inode i JOIN below b ON b.ino=i.ino",
                   {"s": shift, "o": copy * objects, "c": cellar})
        db.execute("INSERT INTO dirent SELECT parent+:s, cookie, name, d.ino+:s"
                   " FROM dirent d JOIN below b ON b.ino=d.ino WHERE parent<>:c",
                   {"s": shift, "c": cellar})
        for name, ino in racks:
            name += b"-copy%d" % copy
            db.execute("INSERT INTO dirent VALUES(?, ?, ?, ?)",
                       (cellar, cookie(name), name, ino + shift))
        db.execute("INSERT INTO keg SELECT name||'-copy'||?, version, record, pending FROM keg"
                   " WHERE name NOT LIKE '%-copy%'", (copy,))
        first += step
    db.execute("UPDATE inode SET nlink=nlink+? WHERE ino=?", (copy * len(racks), cellar))
    db.execute("UPDATE value SET value=? WHERE key='next_ino'", (first,))
    db.execute("COMMIT")
    db.execute("VACUUM")
    db.close()
    return count


def make(store, cache, ref, names, directory):
    """Makes the store `directory` out of what `ref` is in `store`. Returns the number of names."""
    with open(f"{store}/refs/{ref}") as file:
        index = json.load(file)["index"]
    for name in ("refs", "indexes", "objects", "packs", "kegs", "leases", "locks", "staging"):
        os.makedirs(f"{directory}/{name}")
    path = f"{directory}/indexes/new"
    shutil.copy(f"{cache}/indexes/{index}.sqlite", path)
    os.chmod(path, 0o644)
    count = grow(path, names)
    with open(path, "rb") as file:
        index = hashlib.file_digest(file, "sha256").hexdigest()
    os.rename(path, f"{directory}/indexes/{index}.sqlite")
    size = os.path.getsize(f"{directory}/indexes/{index}.sqlite")
    with open(f"{directory}/refs/{ref}", "w") as file:
        json.dump({"generation": 1, "index": index, "size": size}, file)
    shutil.copy(f"{store}/store.json", f"{directory}/store.json")
    return count
