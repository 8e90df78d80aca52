"""A function that calls two libraries which came from a Brewfile through EFS, and tells their versions.

It asks ctypes for them by name, as any Python program would. LAMBDA_PACKAGES_PATH is where the exported tree is; with
it they are found too where nothing made ctypes.util.find_library look there.
"""

import ctypes
import ctypes.util
import glob
import json
import os

LIBRARIES = ("proj", "exif")


class ProjInfo(ctypes.Structure):
    """The beginning of PJ_INFO (proj.h)."""
    _fields_ = [("major", ctypes.c_int), ("minor", ctypes.c_int), ("patch", ctypes.c_int), ("release", ctypes.c_char_p),
                ("version", ctypes.c_char_p), ("searchpath", ctypes.c_char_p), ("paths", ctypes.c_void_p),
                ("path_count", ctypes.c_size_t)]


def call_proj(library):
    library.proj_info.restype = ProjInfo
    information = library.proj_info()
    return information.version.decode()


def call_exif(library):
    """libexif tells no version, so it is asked for the name of a tag; the version is that of its file."""
    library.exif_tag_get_name.restype = ctypes.c_char_p
    if library.exif_tag_get_name(0x0110) != b"Model":
        raise RuntimeError("libexif does not know the tag Model")
    return os.path.basename(loaded_path("exif")).partition(".so.")[2]


def call_version(library, name):
    """For libraries with a function NAME_version()."""
    function = getattr(library, f"{name}_version")
    function.restype = ctypes.c_char_p
    return function().decode()


CALLS = {"proj": call_proj, "exif": call_exif}


def call(library, name):
    try:
        return CALLS[name](library)
    except AttributeError:
        return call_version(library, name)


def loaded_path(name):
    """The file that a library was loaded from, without links."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            path = line.rstrip("\n").partition("/")[2]
            if os.path.basename(path).startswith(f"lib{name}.so"):
                return os.path.realpath("/" + path)
    return ""


def find(name):
    """The library as ctypes finds it; else as it lies in the exported tree."""
    found = ctypes.util.find_library(name)
    if found:
        return found, "find_library"
    packages = os.environ.get("LAMBDA_PACKAGES_PATH", "/mnt/efs/lambda_packages")
    files = sorted(glob.glob(os.path.join(packages, "lib", f"lib{name}.so*")), key=len)
    return (files[0], "path") if files else (None, None)


def look_at(name):
    found, way = find(name)
    if not found:
        return {"found": False, "error": f"there is no lib{name}"}
    try:
        library = ctypes.CDLL(found)
        return {"found": True, "name": found, "way": way, "version": call(library, name), "path": loaded_path(name)}
    except (OSError, AttributeError, RuntimeError) as error:
        return {"found": False, "name": found, "way": way, "error": str(error)}


def my_handler(event, context):
    """What was found of each library; an error where nothing was, so that an invocation by hand shows it."""
    result = {f"lib{name}": look_at(name) for name in LIBRARIES}
    print(json.dumps(result))
    if not any(library["found"] for library in result.values()):
        raise RuntimeError(json.dumps(result))
    return result


if __name__ == "__main__":
    print(json.dumps(my_handler({}, None), indent=2))
