#!/bin/sh
# Makes ./configure from a checkout. Released archives have it already.
set -e
cd "$(dirname "$0")"
mkdir -p m4 build-aux
exec autoreconf --install --warnings=all,no-portability "$@"
