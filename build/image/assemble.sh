#!/bin/sh
# assemble.sh: in the build stage, after bundle.sh: the image's whole content in /image-root, as of SOURCE_DATE_EPOCH.
set -eu

name=azure-gar-credential-provider
umask 022
export TZ=UTC LC_ALL=C.UTF-8 SOURCE_DATE_EPOCH

/src/build/image/root.sh /image-root
mkdir /image-root/opt
cp -a "/src/dist/$name" /image-root/opt/
/usr/local/src/environment/bin/python -B /src/build/image_contents.py /image-root "/src/dist/$name.cdx.json"
find /image-root -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
