#!/bin/bash
# Builds brewfs from this repository and installs it into /usr/local, on Debian, Ubuntu, Amazon Linux 2023 or Fedora:
#	installer/aws/build.sh
set -eu
cd "$(dirname "$0")/../.."
./bootstrap.sh build
