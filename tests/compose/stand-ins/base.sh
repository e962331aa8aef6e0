#!/bin/sh
# base.sh IMAGE : Debian with its Python as IMAGE, where the official image cannot be pulled. Needs root and mmdebstrap.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mmdebstrap --quiet --variant=minbase --mode=root --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
  --include=usr-is-merged,ca-certificates,tzdata,python3,python3-pip,python3-venv,wget,sysvinit-utils \
  --aptopt='Acquire::Languages "none"' --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --customize-hook='rm "$1"/usr/lib/python3*/EXTERNALLY-MANAGED; ln -s python3 "$1"/usr/bin/python' \
  bookworm "$work/base.tar"
docker import -c 'ENV LANG=C.UTF-8' -c 'CMD ["python3"]' "$work/base.tar" "$1"
