#!/bin/sh
# Boots systemd as the init of namespaces of its own: the root file system is that of this machine, what is written goes
# to $1 (an overlay, which the next boot finds again). Runs inside `unshare --mount --pid --uts --ipc --net --cgroup`.
set -eu
state=$1
mount --make-rprivate /
mkdir -p "$state/upper" "$state/work" "$state/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$state/upper,workdir=$state/work" "$state/root"
cd "$state/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for device in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
  IFS=: read -r name major minor <<EOF
$device
EOF
  mknod -m 666 "dev/$name" c "$major" "$minor"
done
ln -s /proc/self/fd dev/fd
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ip link set lo up
hostname "$2"
if [ ! -e "$state/booted" ]; then # nothing of this machine is started but what a login needs
  rm -rf etc/systemd/system/*.target.wants
  ln -sf /dev/null etc/systemd/system/systemd-udevd.service
  touch "$state/booted"
fi
mkdir -p old
pivot_root . old
umount -l old
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=mnemostream TERM=dumb /lib/systemd/systemd --system --show-status=0
