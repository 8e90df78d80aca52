#!/bin/bash
# Downloads the Debian packages that a corpus is made of.
#
#	mkdebs.sh DIR small|big
#
# They come into DIR/debs; their names into DIR/debs.small.list or DIR/debs.big.list. Each name below
# is resolved as if on an empty system, so the list depends on the archive alone and not on what this
# host has. Nothing is installed.
set -euo pipefail

# Names without a version: the archive's own defaults of Debian 12, 13...
small="gdal-bin proj-bin libproj-dev libtiff-dev libsqlite3-dev libcurl4-openssl-dev libxml2-dev
 libicu-dev python3 libpython3-stdlib libboost-dev"
big="$small libgdal-dev ffmpeg libavcodec-dev libavfilter-dev imagemagick libmagick++-dev
 libboost-filesystem-dev libboost-regex-dev python3-dev python3-numpy python3-scipy
 perl qtbase5-dev qt6-base-dev qt6-declarative-dev llvm-dev clang binutils cmake git
 nodejs libnode-dev ruby-dev tcl-dev vim-runtime libgtk-3-dev libgtk-4-dev libeigen3-dev
 libopencv-dev libvtk9-dev libcgal-dev postgresql golang-go default-jdk-headless erlang-base
 libpoco-dev libgrpc++-dev protobuf-compiler libabsl-dev zsh-common npm"

[ $# -eq 2 ] && [ -n "${!2-}" ] || { echo "usage: mkdebs.sh DIR small|big" >&2; exit 2; }
directory=$1
list=$directory/debs.$2.list
mkdir -p "$directory/debs/partial" "$directory/none/partial"

apt() {
	apt-get -qq -y --no-install-recommends -o Dir::State::status=/dev/null -o Debug::NoLocking=1 \
		-o APT::Sandbox::User=root "$@"
}

# The files that installing $1 would bring, one a line.
closure() {
	apt -o "Dir::Cache::archives=$directory/none/" --print-uris install "$1" |
		sed -n "s/^'[^']*' \([^ ]*\) .*/\1/p"
}

ls /var/lib/apt/lists/*_Packages* > /dev/null 2>&1 || apt-get -qq update
for package in ${!2}; do
	closure "$package" || { echo "mkdebs.sh: apt-get finds no way to install $package" >&2; exit 1; }
	apt -o "Dir::Cache::archives=$directory/debs/" --download-only install "$package" > /dev/null
done | sort -u > "$list.new"
while read -r deb; do
	[ -s "$directory/debs/$deb" ] || { echo "mkdebs.sh: $deb was not downloaded" >&2; exit 1; }
done < "$list.new"
mv "$list.new" "$list"
echo "$2: $(wc -l < "$list") packages"
