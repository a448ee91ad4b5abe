#!/bin/sh
# fetch.sh LIST FOLDER: gets every file of a list (sha256, archive, path) into a folder, digests checked; needs apt.
# Debian's mirrors drop a version when the next one is out; snapshot.debian.org keeps it as of the day given here.
set -eu

DAY=20261123T000000Z
list=$1
folder=$2

fetch() {
    target=$folder/${3##*/}
    if [ -f "$target" ] && printf '%s  %s\n' "$1" "$target" | sha256sum --check --status; then return 0; fi
    for base in "http://deb.debian.org/$2" "http://snapshot.debian.org/archive/$2/$DAY" "http://archive.debian.org/$2"; do
        rm -f "$target"
        /usr/lib/apt/apt-helper -q -o Acquire::Retries=2 -o Acquire::http::Timeout=20 -o Dir::Etc::TrustedParts=/dev/null \
            download-file "$base/$3" "$target" "SHA256:$1" >"$folder/log" 2>&1 && return 0
    done
    rm -f "$target"
    printf 'fetch.sh: no mirror has %s with the digest %s\n' "$3" "$1" >&2
    tail -n 3 "$folder/log" >&2
    return 1
}

mkdir -p "$folder"
grep -v '^#' "$list" | while read -r digest archive path; do
    fetch "$digest" "$archive" "$path"
done
