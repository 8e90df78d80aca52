#!/usr/bin/env python3
"""Fills DIR/depot with bottles of the test world for the VM, and copies the key of their metadata: fill.py DIR."""

import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from harness import Sandbox, World

FORMULAE = ["proj", "libexif", "jq", "gtk+3", "libsigc++@2", "md-leaf-a", "md-leaf-b", "md-leaf-c", "md-uses", "md-diamond", "po-big",
            "po-text"]

directory = sys.argv[1]
world = World()
result = Sandbox(world).run("fetch", "--target-glibc", "2.41", "--to", os.path.join(directory, "depot"), *FORMULAE)
if result.returncode != 0:
    sys.exit(f"fill.py: exit status {result.returncode}\n{result.stdout}{result.stderr}")
shutil.copy(world.environment["BREWFS_API_KEY"], os.path.join(directory, "key.pem"))
