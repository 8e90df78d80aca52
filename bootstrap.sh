#!/bin/sh
# From a fresh machine to a mounted prefix, or to a passed test suite: installs what is missing, builds, and
# does it. Debian 12 or later, Ubuntu 22.04 or later (apt-get), Amazon Linux 2023, Fedora (dnf).
#
#	./bootstrap.sh run [BREWFILE]	installs the Brewfile into a store and mounts the prefix
#	./bootstrap.sh build		builds brewfs and installs it into /usr/local
#	./bootstrap.sh test		builds and runs every test
#
# BREWFS_STORE names the store (default /var/lib/brewfs), BREWFS_MOUNTPOINT where the prefix is mounted
# (default /home/linuxbrew/.linuxbrew). Only packages and the mount need root: as another user, sudo is used
# for the packages.
set -eu
cd "$(dirname "$0")"
top=$PWD

say() {
	printf '==> %s\n' "$*"
}

fail() {
	printf 'Error: %s\n' "$*" >&2
	exit 1
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

install_with_apt() {
	missing=
	for package; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
			missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	say "Installing packages:$missing"
	as_root apt-get -q update
	# shellcheck disable=SC2086
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends $missing
}

install_packages() {
	if command -v apt-get >/dev/null; then
		set -- autoconf automake libtool pkg-config gcc libc6-dev make fuse3 libfuse3-dev \
			libcurl4-openssl-dev libsqlite3-dev libssl-dev libarchive-dev zlib1g-dev \
			libjansson-dev ca-certificates "$@"
		case $(dpkg --print-architecture) in
		amd64 | arm64) set -- libisal-dev "$@" ;;
		esac
		install_with_apt "$@"
	elif command -v dnf >/dev/null; then
		say 'Installing packages'
		as_root dnf -qy install autoconf automake libtool pkgconf-pkg-config gcc make fuse3 \
			fuse3-devel libcurl-devel sqlite-devel openssl-devel libarchive-devel zlib-devel \
			jansson-devel ca-certificates glibc-static
	else
		fail 'neither apt-get nor dnf is here: install the packages that README.md lists and build by hand'
	fi
}

build() {
	if [ ! -x configure ]; then
		output=$(mkdir -p build-aux && autoreconf --install 2>&1) || fail "autoreconf: $output"
	fi
	mkdir -p "$1"
	cd "$1"
	shift
	[ -f Makefile ] || "$top/configure" --quiet "$@"
	make --quiet -j "$(nproc)"
	cd "$top"
}

build_and_install() {
	install_packages
	say 'Building brewfs'
	build build --prefix=/usr/local --enable-silent-rules
	as_root make --quiet -C build install mounthelperdir=/sbin
}

run() {
	brewfile=${1:-$top/Brewfile}
	build_and_install
	brewfs=/usr/local/bin/brewfs
	say "Installing $brewfile"
	"$brewfs" install --file "$brewfile"
	"$brewfs" mount ${BREWFS_MOUNTPOINT:+"${BREWFS_STORE:-/var/lib/brewfs}" "$BREWFS_MOUNTPOINT"}
	"$brewfs" status
	"$brewfs" list --versions
}

# Everything twice: as it is shipped, and with sanitizers, where the fresh machine need not be made again. clang
# has to find nothing either.
test_everything() {
	install_packages clang clang-format docker-registry nginx-light openssl python3 elfutils rsync git strace \
		mandoc man-db procps e2fsprogs util-linux file debootstrap curl patchelf attr jq sqlite3 lld mold stress-ng
	# The check of the CloudFormation templates reads their schema from an npm package. Debian's npm has hundreds of
	# packages: once is enough here too.
	[ "${BREWFS_TEST_FRESH:-}" = inside ] || install_with_apt nodejs npm shellcheck
	status=0
	say 'Building brewfs'
	build build-test --enable-werror
	make -C build-test -j "$(nproc)" check || status=1
	# On the fresh machine that the tests make, once is enough.
	[ "${BREWFS_TEST_FRESH:-}" != inside ] || return $status
	say 'Building brewfs with clang'
	build build-clang --enable-werror CC=clang
	make --quiet -C build-clang -j "$(nproc)" check TESTS= || status=1
	say 'Building brewfs with sanitizers'
	build build-sanitizers --enable-werror --enable-sanitizers
	BREWFS_TEST_FRESH=inside make -C build-sanitizers -j "$(nproc)" check || status=1
	return $status
}

case ${1:-} in
run)
	shift
	run "$@"
	;;
build)
	build_and_install
	;;
test)
	test_everything
	;;
*)
	sed -n '2,/^set/{s/^# \{0,1\}//p}' "$0"
	exit 2
	;;
esac
