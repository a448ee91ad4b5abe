#!/bin/sh
# root.sh FOLDER: puts the image's root together from pinned Debian 13 packages: C library, nsenter, CA certificates and
# their licences; no shell, no package manager, no maintainer scripts. Runs in the build stage, as root.
set -eu

here=$(dirname "$(readlink -f "$0")")
root=$1
architecture=$(dpkg --print-architecture)
library=/usr/lib/$(uname -m)-linux-gnu
export LC_ALL=C TZ=UTC
umask 022

work=/usr/local/src/root
list=$here/root.$architecture.lock
rm -rf "$work" "$root"
mkdir -p "$work" "$root"
"$here/fetch.sh" "$list" "$work.packages"

grep -v '^#' "$list" | while read -r _ _ path; do
    package=$work.packages/${path##*/}
    name=$(dpkg-deb -f "$package" Package)
    dpkg-deb -x "$package" "$work/$name"
    # Where scanners look in images without dpkg's database.
    install -D -m 644 /dev/null "$root/var/lib/dpkg/status.d/$name"
    dpkg-deb -f "$package" >"$root/var/lib/dpkg/status.d/$name"
    install -D -m 644 "$work/$name/usr/share/doc/$name/copyright" "$root/usr/share/doc/$name/copyright"
done

(cd "$root" && mkdir -p dev proc run sys etc/ssl/certs usr/bin usr/lib usr/sbin && mkdir -m 1777 tmp && mkdir -m 700 root)
for name in bin lib sbin; do ln -s "usr/$name" "$root/$name"; done
ln -s /run "$root/var/run"

grep -v '^#' "$here/root.files" | while read -r name path only; do
    [ "${only:-$architecture}" = "$architecture" ] || continue
    case $path in /LIB/*) path=$library/${path#/LIB/} ;; esac
    cd "$work/$name"
    # shellcheck disable=SC2086 # a pattern, for names with a version in them
    cp -a --parents .$path "$root"
done
if [ -d "$root/usr/lib64" ]; then ln -s usr/lib64 "$root/lib64"; fi
ln -s ../usr/lib/os-release "$root/etc/os-release"

cat "$work/ca-certificates/usr/share/ca-certificates/mozilla/"*.crt >"$root/etc/ssl/certs/ca-certificates.crt"
for name in "$root"/var/lib/dpkg/status.d/*; do
    cd "$work/${name##*/}"
    find . -type f | sed 's,^./,,' | sort | while read -r path; do
        [ ! -f "$root/$path" ] || md5sum "$path"
    done >"$name.md5sums"
done
echo 'root:x:0:0:root:/root:/usr/sbin/nologin' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
chown -R 0:0 "$root"
# It starts: a library that a new version needs and that is not listed shows here, not on a node.
chroot "$root" /usr/bin/nsenter --version
rm -rf "$work"
