#!/bin/bash
# Packs brewfs with the libraries that it is linked with, for machines with the same C library that lack them and
# can install nothing:
#	installer/aws/bundle.sh BREWFS DIR
# DIR/bin/brewfs is then a script that starts it with the libraries in DIR/lib; those of glibc stay the machine's.
# brewfs-lambda, which `brewfs export` copies, comes along.
set -eu
[ $# = 2 ] || { sed -n '2,6p' "$0"; exit 2; }
program=$(readlink -f "$1") directory=$2
mkdir -p "$directory/bin" "$directory/lib" "$directory/libexec"
cp "$program" "$directory/libexec/brewfs"
for helper in "${program%/*}/brewfs-lambda" "${program%/*}/../libexec/brewfs/brewfs-lambda"; do
	[ ! -f "$helper" ] || cp "$helper" "$directory/libexec/"
done
ldd "$program" | awk '$2 == "=>" && $3 ~ /^\// {print $3}' | while read -r library; do
	case ${library##*/} in
	libc.so.* | libm.so.* | libpthread.so.* | libdl.so.* | librt.so.* | libresolv.so.* | ld-linux*) ;;
	*) cp -L "$library" "$directory/lib/" ;;
	esac
done
cat >"$directory/bin/brewfs" <<'SCRIPT'
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")/..
LD_LIBRARY_PATH=$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} exec "$here/libexec/brewfs" "$@"
SCRIPT
chmod 755 "$directory/bin/brewfs"
