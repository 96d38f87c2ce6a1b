#!/bin/sh
# Boots systemd as process 1 on a copy of this machine's root file system that nobody else sees, with our units and no others.
# To be run in namespaces of its own (mount, process, UTS, IPC). Arguments: an empty directory, a name for the cgroup, the
# directory of the units, the program.
set -e
stage=$1 name=$2 units=$3 program=$4
root=$stage/root

if [ "${5:-}" != inside ]; then
    mount --make-rprivate /
    mount -t tmpfs tmpfs "$stage"
    # Two systemds must not share a tree of cgroups, so the namespace begins at one that is new.
    mkdir "$stage/cgroup"
    mount -t cgroup2 cgroup2 "$stage/cgroup"
    mkdir "$stage/cgroup/$name"
    echo 0 >"$stage/cgroup/$name/cgroup.procs"
    exec unshare -C sh "$0" "$stage" "$name" "$units" "$program" inside
fi

mkdir "$root" "$stage/upper" "$stage/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$stage/upper,workdir=$stage/work" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/zero" c 1 5
mknod -m 666 "$root/dev/full" c 1 7
mknod -m 666 "$root/dev/random" c 1 8
mknod -m 666 "$root/dev/urandom" c 1 9
mknod -m 666 "$root/dev/tty" c 5 0
mkdir "$root/dev/pts" "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"

# What a packager puts there.
cp "$program" "$root/usr/bin/sweepd"
rm -rf "$root/etc/systemd/system" "$root/etc/sweepd" "$root/var/log/journal" "$root/var/lib/systemd"
mkdir -p "$root/etc/systemd/system" "$root/etc/sweepd" "$root/var/lib/systemd"
cp "$units"/*.service "$units"/*.timer "$root/etc/systemd/system/"
mkdir -m 700 "$root/etc/sweepd/credentials"

# The least of a system around it.
cp /lib/systemd/system/systemd-journald.service /lib/systemd/system/systemd-journald*.socket "$root/etc/systemd/system/"
for target in sysinit basic shutdown multi-user timers sockets network-online; do
    printf '[Unit]\nDefaultDependencies=no\n' >"$root/etc/systemd/system/$target.target"
done
printf '[Unit]\nDefaultDependencies=no\nWants=systemd-journald.service\n' >"$root/etc/systemd/system/default.target"
rm -f "$root/etc/machine-id"
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"

cd "$root"
mkdir old
pivot_root . old
umount -l /old
# Without it the directories of credentials are empty.
mount --make-rshared /
# Nothing but what is in that one directory can be started.
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_UNIT_PATH=/etc/systemd/system \
    /lib/systemd/systemd --system --unit=default.target --log-target=journal --show-status=no
