#!/bin/sh
# toolchain.sh: in a Debian 11 system, as root: the compiler, then zlib, OpenSSL and Python compiled into /usr/local.
#
# Debian 11 for its C library, 2.31: what is linked against it starts on every node. Nothing else of Debian 11 gets
# into the bundle but libgcc_s: its own OpenSSL and Python are past their maintenance.
set -eu

here=$(dirname "$(readlink -f "$0")")
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 TZ=UTC SOURCE_DATE_EPOCH=315532800
umask 022
jobs=${JOBS:-$(nproc)}

apt-get -q update
# shellcheck disable=SC2046 # one word per package
apt-get -q install -y --no-install-recommends $(cat "$here/packages")

work=/usr/local/src
"$here/fetch.sh" "$here/sources" "$work/fetched"

# Upstream's source and those of Debian's patches that a pattern names, in Debian's order.
unpack() {
    rm -rf "${work:?}/$1"
    mkdir -p "$work/$1"
    tar -x -C "$work/$1" --strip-components=1 -f "$(find "$work/fetched" -name "$1_*.orig.tar.*")"
    tar -x -C "$work/$1" -f "$(find "$work/fetched" -name "$1_*.debian.tar.xz")"
    cd "$work/$1"
    [ ! -f debian/patches/series ] || sed -n "$2" debian/patches/series | while read -r name; do
        patch -p1 -s --no-backup-if-mismatch <"debian/patches/$name"
    done
    touch debian/began
}

# What bill of materials and notices are made from: version, files and licences of what was compiled last.
record() {
    mkdir -p "/usr/local/share/compiled/$1"
    sed -n '1s/.*(\(.*\)).*/\1/p' debian/changelog >"/usr/local/share/compiled/$1/version"
    cp debian/copyright "/usr/local/share/compiled/$1/copyright"
    find /usr/local/lib /usr/local/bin -type f -newer "$work/$1/debian/began" | sort >"/usr/local/share/compiled/$1/files"
    ldconfig
}

# A library only to link in: the executable must not depend on a libz of the node, and the interpreter starts faster.
unpack zlib p
CFLAGS='-O2 -fPIC' ./configure --static --prefix=/usr/local
make -s -j "$jobs" install
record zlib

# All patches, as they are upstream's fixes. The configuration of the node's own OpenSSL is never read: on FIPS nodes it
# names providers that only fit that OpenSSL. What a TLS client has no use for stays out.
unpack openssl '/^[^#]/p'
./Configure "linux-$(uname -m)" --prefix=/usr/local --libdir=lib --openssldir=/etc/ssl shared no-autoload-config \
    no-apps no-cmp no-cms no-comp no-docs no-dtls no-engine no-idea no-legacy no-mdc2 no-module no-quic no-rc2 no-rc4 \
    no-seed no-srp no-ssl3 no-tests no-ts no-whirlpool no-ui-console
make -s -j "$jobs" build_sw
make -s install_sw
record openssl

# Debian's fixes for security and memory, which follow its patches for packaging.
unpack python3.13 '1,/^revert-logger-disable/d; /^[^#]/p'
./configure --enable-shared --prefix=/usr/local --with-openssl=/usr/local --with-ensurepip=install \
    --without-system-libmpdec --disable-test-modules CFLAGS='-g0 -fno-semantic-interposition'
# Part of the interpreter, not files of their own, is what most starts need: each file costs a start 0.2 ms.
{
    echo '*static*'
    grep -E '^(_bisect|_blake2|_csv|_datetime|_heapq|_json|_md5|_pickle|_posixsubprocess|_random|_sha1|_sha2|_sha3|_socket|_statistics|_struct|_typing|_zoneinfo|_contextvars|_opcode|array|binascii|fcntl|grp|math|resource|select|unicodedata|zlib) ' Modules/Setup.stdlib
} >Modules/Setup.local
make -s -j "$jobs"
make -s install
record python3.13

cd /
rm -rf "$work/zlib" "$work/openssl" "$work/python3.13"
