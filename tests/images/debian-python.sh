#!/usr/bin/env bash
# A stand-in for python:3.13-slim where no registry can be reached: a minimal Debian 13, whose own Python is 3.13.
# In: an engine that answers, the Debian packages, root (debootstrap needs it). Out: a labelled image of about 200 MB.
# Made only when the real image is absent; ./dev decides that, this script only builds.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=scripts/standin.sh
source "$ROOT/scripts/standin.sh"

TAGS=(python:3.13-slim python:3.12-slim python:3.11-slim)

as_root() { if [[ $(id -u) == 0 ]]; then "$@"; else sudo -- "$@"; fi; }

make_root() { # make_root WORK: leaves WORK/root.tar
  local work=$1 root=$1/tree mirror
  mirror=$(standin_mirror)
  as_root debootstrap --variant=minbase --keyring="$(standin_keyring)" \
    --include=python3,python3-venv,python3-pip,ca-certificates,bash "$STANDIN_SUITE" "$root" "$mirror"
  as_root bash -euo pipefail -s "$root" <<'INSIDE'
root=$1
ln -sf python3 "$root/usr/bin/python"
ln -sf pip3 "$root/usr/bin/pip"
# The real image lets pip install into the system's Python; Debian's marker would refuse.
rm -f "$root"/usr/lib/python3*/EXTERNALLY-MANAGED
echo 'app:x:1000:1000::/home/app:/bin/bash' >>"$root/etc/passwd"
echo 'app:x:1000:' >>"$root/etc/group"
install -d -o 1000 -g 1000 -m 755 "$root/home/app"
: >"$root/etc/resolv.conf"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,info,locale}/* \
  "$root"/var/log/*.log "$root"/var/log/apt "$root"/dev/*
INSIDE
  as_root tar --numeric-owner --one-file-system --sort=name -cf "$work/root.tar" -C "$root" .
  as_root rm -rf -- "$root"
}

main() {
  local key work tarball
  key=$(standin_key "$ROOT/tests/images/debian-python.sh")
  tarball=$STANDIN_CACHE/debian-python-$key.tar
  if standin_current "${TAGS[0]}" "$key" && standin_current "${TAGS[-1]}" "$key"; then
    note "stand-in ${TAGS[0]} is up to date"
    return
  fi
  mkdir -p "$STANDIN_CACHE"
  if [[ ! -s $tarball ]]; then
    work=$(mktemp -d "$STANDIN_CACHE/debian-python.XXXXXX")
    # shellcheck disable=SC2064 # the folder's name is meant now, not at exit
    trap "as_root rm -rf --one-file-system -- '$work'" EXIT
    chmod 755 "$work"
    make_root "$work"
    rm -f "$STANDIN_CACHE"/debian-python-*.tar
    mv "$work/root.tar" "$tarball"
  fi
  standin_import "$tarball" "$key" \
    "Python 3.13 of Debian 13; python:3.12-slim and python:3.11-slim are names for the same image" \
    "${TAGS[@]}" -- \
    'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' 'ENV LANG=C.UTF-8' 'CMD ["python3"]'
  standin_docker run --rm --network none --label slipway.standin.check=true "${TAGS[0]}" python -V
}

main "$@"
