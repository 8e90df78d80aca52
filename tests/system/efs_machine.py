"""A machine with made-up mounts, state files and helpers, for the tests of EFS."""

import json
import os

from harness import Sandbox, make_bottle, ok, says

ID = "fs-0123456789abcdef0"
HOST = f"{ID}.efs.eu-west-1.amazonaws.com"
POINT = "fsap-0123456789abcdef0"
NFS = "rw,vers=4.1,rsize=1048576,wsize=1048576,hard,noresvport,proto=tcp,timeo=600,retrans=2"


class Machine(Sandbox):
    """A machine with made-up mounts: each is a directory. Programs on its PATH say how they were called."""

    def __init__(self):
        super().__init__()
        self.root = self.path("system")
        for directory in ("proc/self", "var/run/efs", "etc/amazon/efs"):
            os.makedirs(os.path.join(self.root, directory))
        os.makedirs(self.path("bin"))
        self.lines = []
        self.write_mounts()
        self.environment.update(BREWFS_SYSTEM_ROOT=self.root, PATH=self.path("bin") + ":/usr/bin:/bin",
                                AWS_EC2_METADATA_DISABLED="true", BREWFS_TARGET_GLIBC="2.41")
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            self.environment.pop(name, None)
        self.program("mount", f'''
            echo "$*" >>{self.path("mounted")}
            for last; do :; done
            mkdir -p "$last"
            [ ! -e {self.path("mount-fails")} ] || {{ echo "mount.nfs4: Connection timed out" >&2; exit 32; }}
            case " $* " in
            *" efs "*) mkdir -p {self.root}/var/run/efs
                echo "{{\\"accessPoint\\": \\"$(cat {self.path("point")} 2>/dev/null)\\"}}" |
                    sed 's/"accessPoint": ""//' >{self.root}/var/run/efs/{ID}.$(echo "${{last#/}}" | tr / .).20050
                source=127.0.0.1:/ options=port=20050 ;;
            *) source=$(echo "$*" | grep -o 'fs-[^ ]*' | head -n 1) options=addr=10.0.0.1 ;;
            esac
            [ -e {self.path("mount-lies")} ] ||
                echo "90 1 0:90 / $last rw - nfs4 $source rw,vers=4.1,$options" >>{self.root}/proc/self/mountinfo''')

    def program(self, name, text):
        path = self.path("bin", name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + "\n".join(line[12:] if line.startswith(" " * 12) else line
                                                 for line in text.splitlines()) + "\n")
        os.chmod(path, 0o755)

    def write_mounts(self):
        with open(os.path.join(self.root, "proc/self/mountinfo"), "w", encoding="utf-8") as file:
            file.write("20 1 8:1 / / rw - ext4 /dev/root rw\n" + "".join(self.lines))

    def add_mount(self, name, source, options="", kind="nfs4", root="/", nfs=NFS):
        """A directory that looks as if it were mounted; returns it."""
        path = self.path(name)
        os.makedirs(path, exist_ok=True)
        number = 30 + len(self.lines)
        self.lines.append(f"{number} 20 0:{number} {root} {path} rw - {kind} {source} {nfs}{options}\n")
        self.write_mounts()
        return path

    def add_state(self, fs_id, name, port, **state):
        safe = self.path(name).replace("/", ".").lstrip(".")
        with open(os.path.join(self.root, "var/run/efs", f"{fs_id}.{safe}.{port}"), "w", encoding="utf-8") as file:
            json.dump({"pid": 1, "mountpoint": self.path(name), **state}, file)

    def calls(self):
        """How mount was called since the last look."""
        try:
            with open(self.path("mounted"), encoding="utf-8") as file:
                lines = file.read().splitlines()
            os.unlink(self.path("mounted"))
            return lines
        except FileNotFoundError:
            return []

    def fill(self, directory):
        """Makes a store there with a formula in it."""
        bottle = make_bottle(self.directory, "hello", "1.0", {"bin/hello": "#!/bin/sh\necho hello\n"})
        self.must("install", "--store", directory, bottle)
        return bottle

    def installs_at(self, place, name, *options, said=""):
        """Whether `install --efs` takes the store in that place, and mounts nothing."""
        result = self.run("install", "--efs", *(options or (ID,)), self.bottle)
        store = os.path.join(place, "store.json")
        return ok(result.returncode == 0 and os.path.exists(store) and self.calls() == [] and said in result.stdout,
                  name, f"{store}\n{says(result)}")


def machine():
    box = Machine()
    box.bottle = make_bottle(box.directory, "hello", "1.0", {"bin/hello": "#!/bin/sh\necho hello\n"})
    return box
