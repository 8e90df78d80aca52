#!/bin/bash
# Build the NFSv4.1 test VM from Debian packages only:
#   build/vmlinuz     Debian cloud kernel (NFS client + server, FUSE, netem, dm-flakey as modules)
#   build/initrd.gz   busybox + virtio_blk, mounts the root disk
#   build/root.img    minimal Debian root with the NFS server and client
# Needs root, about a minute, 1.3 GB, and the packages: mmdebstrap busybox-static e2fsprogs cpio qemu-system-x86
# Where to: $NFSVM_BUILD (here/build). Extra guest packages: NFSVM_PACKAGES="a,b". Suite and mirror: NFSVM_SUITE
# (must be the one that brewfs was built on), NFSVM_MIRROR.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${NFSVM_BUILD:-$here/build}
# shellcheck disable=SC1091
suite=${NFSVM_SUITE:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
mirror=${NFSVM_MIRROR:-$(awk '/^URIs:/ {print $2; exit}' /etc/apt/sources.list.d/*.sources 2>/dev/null || true)}
mirror=${mirror:-$(awk '/^deb / {print $2; exit}' /etc/apt/sources.list)}
# The server, two client hosts, and the libraries that brewfs is linked with.
pkgs=linux-image-cloud-amd64,nfs-kernel-server,nfs-common,rpcbind,netbase,iproute2,kmod,procps,util-linux
pkgs=$pkgs,e2fsprogs,python3-minimal,fuse3,libfuse3-3,libcurl4,libsqlite3-0,libarchive13,libjansson4,libisal2
[ -n "${NFSVM_PACKAGES:-}" ] && pkgs=$pkgs,$NFSVM_PACKAGES

for t in mmdebstrap mke2fs cpio gzip tar; do
    command -v "$t" >/dev/null || { echo "build.sh: $t is missing" >&2; exit 2; }
done
[ -x /bin/busybox ] || { echo "build.sh: busybox-static is missing" >&2; exit 2; }
mkdir -p "$out"
tmp=$(mktemp -d "$out/tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

if [ ! -s "$out/rootfs.tar" ]; then
    mmdebstrap --variant=minbase --include="$pkgs" "$suite" "$out/rootfs.tar.part" "$mirror" --format=tar
    mv "$out/rootfs.tar.part" "$out/rootfs.tar"
fi
mkdir "$tmp/root"
tar -C "$tmp/root" --exclude='./dev/*' -xf "$out/rootfs.tar"
kver=$(find "$tmp/root/usr/lib/modules" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -V | tail -1)
cp "$tmp/root/boot/vmlinuz-$kver" "$out/vmlinuz"

# initramfs: busybox, the modules that reach the root disk, one script
i=$tmp/initrd
mkdir -p "$i/bin" "$i/mod" "$i/proc" "$i/sys" "$i/dev" "$i/root"
cp /bin/busybox "$i/bin/"
ln -s busybox "$i/bin/sh"
: > "$i/mod/order"
for m in virtio_pci virtio_blk; do
    chroot "$tmp/root" modprobe -S "$kver" --show-depends "$m"
done | awk '$1 == "insmod" && !seen[$2]++ {print $2}' | while read -r f; do
    cp "$tmp/root$f" "$i/mod/"
    basename "$f" >> "$i/mod/order"
done
cat > "$i/init" <<'EOF'
#!/bin/sh
b=/bin/busybox
$b mount -t proc proc /proc; $b mount -t sysfs sysfs /sys; $b mount -t devtmpfs dev /dev
while read m; do $b insmod /mod/$m; done < /mod/order
n=0
while [ ! -b /dev/vda ] && [ $n -lt 100 ]; do $b sleep 0.1; n=$((n + 1)); done
$b mount -t ext4 -o ro /dev/vda /root || { echo "NFSVM-RC=99 (no root disk)"; $b poweroff -f; }
$b mount --move /dev /root/dev
$b umount /proc; $b umount /sys
exec $b switch_root /root /nfsvm-init
EOF
chmod 755 "$i/init"
(cd "$i" && find . | cpio -o -H newc -R 0:0 --quiet | gzip -1) > "$out/initrd.gz"

cp "$here/guest/init" "$tmp/root/nfsvm-init"
chmod 755 "$tmp/root/nfsvm-init"
mkdir -p "$tmp/root/home/linuxbrew/.linuxbrew" "$tmp/root/mnt/efs"
mkdir -p "$tmp/root/payload" "$tmp/root/export" "$tmp/root/results" "$tmp/root/a" "$tmp/root/b"
rm -rf "$tmp/root/boot"/* "$tmp/root/usr/share/doc" "$tmp/root/usr/share/man" "$tmp/root/usr/share/locale" "$tmp/root/var/cache/apt"
rm -f "$out/root.img"
mb=$(du -sm "$tmp/root" | cut -f1)
mke2fs -q -t ext4 -d "$tmp/root" -L nfsvm "$out/root.img" $((mb + mb / 5 + 64))M
echo "built $out: kernel $kver, root.img ${mb} MB"
