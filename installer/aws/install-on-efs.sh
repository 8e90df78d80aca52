#!/bin/bash
# Installs a Brewfile into the store on an EFS file system, from an EC2 or Cloud9 host with Internet:
#
#	installer/aws/install-on-efs.sh [-b BREWFILE] [-e DIRECTORY] [-g GLIBC] [-m] [-o OPTIONS] [-t TARGET]
#		fs-ID
#
#	-b	the Brewfile (installer/aws/lambda/Brewfile)
#	-e	export for functions into this directory of the file system (lambda_packages)
#	-g	the oldest glibc that has to load the libraries (2.34, that of Amazon Linux 2023)
#	-m	mount the prefix here as well, now and whenever the machine starts
#	-o	how to mount the file system: iam,accesspoint=fsap-...,region=...
#	-t	what the export has to run in (lambda-python3.13)
#
# brewfs is built first, if it is not there. The file system is used where it is mounted, or mounted.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
brewfile=$here/lambda/Brewfile export=lambda_packages glibc=2.34 mount='' options='' target=lambda-python3.13
while getopts b:e:g:mo:t: option; do
	case $option in
	b) brewfile=$OPTARG ;;
	e) export=$OPTARG ;;
	g) glibc=$OPTARG ;;
	m) mount=yes ;;
	o) options=$OPTARG ;;
	t) target=$OPTARG ;;
	*) sed -n '2,14p' "$0"; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# = 1 ] || { sed -n '2,14p' "$0"; exit 2; }
efs=$1

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# TLS, IAM and access points are the efs helper's; Amazon Linux has it as a package.
if ! command -v mount.efs >/dev/null && ! [ -x /sbin/mount.efs ] && command -v dnf >/dev/null; then
	as_root dnf -qy install amazon-efs-utils || echo 'Warning: amazon-efs-utils cannot be installed' >&2
fi
command -v brewfs >/dev/null || "$here/build.sh"
brewfs=$(command -v brewfs)

as_root "$brewfs" doctor ${options:+-o "$options"} "$efs" || echo 'Warning: see what brewfs doctor found' >&2
report=$(as_root "$brewfs" install --json --efs "$efs" ${options:+--efs-options "$options"} --target-glibc "$glibc" \
	--file "$brewfile")
store=$(sed -n 's/^  "store": "\(.*\)",$/\1/p' <<<"$report")
echo "Installed into $store"
as_root "$brewfs" export --store "$store" --prefix "/mnt/efs/$export" --target "$target" "${store%/*}/$export"
echo "Exported to ${store%/*}/$export, which functions see as /mnt/efs/$export"
[ -n "$mount" ] || exit 0
as_root "$brewfs" mount --wait=60 ${options:+-o "$options"} "$efs"
line="$efs /home/linuxbrew/.linuxbrew brewfs ro,_netdev,nofail,wait=60${options:+,$options} 0 0"
grep -qsF "$efs /home/linuxbrew/.linuxbrew " /etc/fstab || echo "$line" | as_root tee -a /etc/fstab >/dev/null
