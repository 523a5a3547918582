#!/usr/bin/env bash
# The image slipway-test/scratch:1: one static program and nothing else, not even a shell or /etc/passwd.
# In: an engine that answers, rustc. Out: a labelled image of 1 MB, for tests of images that offer nothing to lean on.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=scripts/standin.sh
source "$ROOT/scripts/standin.sh"

TAG=slipway-test/scratch:1

main() {
  local key work
  key=$(standin_key "$ROOT/tests/images/scratch.sh" "$ROOT/tests/images/hello.rs")
  if standin_current "$TAG" "$key"; then
    note "$TAG is up to date"
    return
  fi
  mkdir -p "$STANDIN_CACHE"
  work=$(mktemp -d "$STANDIN_CACHE/scratch.XXXXXX")
  # shellcheck disable=SC2064 # the folder's name is meant now, not at exit
  trap "rm -rf '$work'" EXIT
  mkdir "$work/tree"
  rustc --edition 2024 -O -C target-feature=+crt-static -C strip=symbols -C panic=abort \
    -o "$work/tree/hello" "$ROOT/tests/images/hello.rs"
  tar --numeric-owner --owner=0 --group=0 --sort=name --mtime=@0 -cf "$work/root.tar" -C "$work/tree" hello
  standin_import "$work/root.tar" "$key" "one static program, no shell" "$TAG" -- 'ENTRYPOINT ["/hello"]'
  standin_docker run --rm --network none --label slipway.standin.check=true "$TAG" --version
}

main "$@"
