# shellcheck shell=bash
# What the stand-in image recipes in tests/images share: a private apt to fetch single Debian packages without adding a
# source to the machine, a cache of finished root file systems keyed by the recipe's text, and the import into Docker.
# In come a recipe's name and tags; out comes a labelled image. Nothing here ever replaces an image that is not a stand-in.

ROOT=${ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
DEV_STATE=${SLIPWAY_DEV_STATE:-$ROOT/.dev}
# shellcheck source=scripts/say.sh
source "$ROOT/scripts/say.sh"

STANDIN_CACHE=$DEV_STATE/cache/images
# Debian 13: its musl (1.2.5) is the first that runs current Node, and its Python is 3.13.
STANDIN_SUITE=trixie
# Counts up when this file changes what an image holds.
STANDIN_VERSION=1

# standin_docker ARGS...: docker, through sudo where only root may speak to the engine.
standin_docker() { ${DOCKER_SUDO:+sudo} docker "$@"; }

# standin_key FILE...: a short digest of the recipe's text. A changed recipe makes a new image.
standin_key() {
  { cat "$@" && printf '%s %s' "$STANDIN_SUITE" "$STANDIN_VERSION"; } | sha256sum | cut -c1-16
}

# standin_mirror: where Debian's packages come from: SLIPWAY_DEBIAN_MIRROR, else the mirror this machine's apt uses for
# Debian itself, else (on Ubuntu) the one debootstrap knows.
standin_mirror() {
  local mirror=${SLIPWAY_DEBIAN_MIRROR:-}
  # shellcheck disable=SC2016 # apt expands these
  [[ -n $mirror ]] || mirror=$(apt-get indextargets --format '$(LABEL) $(SITE)' 2>/dev/null | sed -n 's/^Debian //p' | head -n 1)
  [[ -n $mirror ]] || mirror=$(sed -n 's/^ *default_mirror //p' /usr/share/debootstrap/scripts/sid 2>/dev/null | head -n 1)
  [[ -n $mirror ]] || die "no mirror of Debian's packages is known" "Install debootstrap, or set SLIPWAY_DEBIAN_MIRROR to a mirror's address."
  printf '%s' "$mirror"
}

# standin_mine TAG: 0 when the tag is free or names a stand-in, 1 when it names somebody's real image.
standin_mine() {
  local label
  label=$(standin_docker image inspect --format '{{index .Config.Labels "slipway.standin"}}' "$1" 2>/dev/null) || return 0
  [[ $label == true ]]
}

# standin_current TAG KEY: 0 when the tag already holds the stand-in made by this very recipe.
standin_current() {
  [[ $(standin_docker image inspect --format '{{index .Config.Labels "slipway.standin.recipe"}}' "$1" 2>/dev/null) == "$2" ]]
}

# standin_keyring: the Debian archive keys of this machine (package debian-archive-keyring, also in Ubuntu).
standin_keyring() {
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  [[ -r $keyring ]] || die "the Debian archive keys are missing ($keyring)" \
    "Install them: sudo apt-get install debian-archive-keyring"
  printf '%s' "$keyring"
}

# standin_debs DIR PACKAGE...: downloads Debian packages into DIR and unpacks them there into DIR/root.
# Uses an apt of its own below the state folder; the machine's sources and lists stay as they are.
standin_debs() {
  local dir=$1 apt=$DEV_STATE/cache/apt-$STANDIN_SUITE keyring mirror deb
  shift
  keyring=$(standin_keyring)
  mirror=$(standin_mirror)
  mkdir -p "$dir/root" "$apt"/{lists/partial,archives/partial,empty}
  printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$STANDIN_SUITE" >"$apt/sources.list"
  : >"$apt/status"
  local -a options=(
    -o "Dir::Etc::SourceList=$apt/sources.list" -o "Dir::Etc::SourceParts=$apt/empty"
    -o "Dir::State::Lists=$apt/lists" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt"
    -o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false
    -o Acquire::Retries=3
  )
  # The host may carry proxies and certificates in its apt configuration: those stay in force.
  [[ -n $(find "$apt/lists" -maxdepth 1 -name '*_Packages*' -mtime -7 -print -quit) ]] || apt-get "${options[@]}" update
  (cd "$dir" && apt-get "${options[@]}" download "$@")
  for deb in "$dir"/*.deb; do dpkg-deb -x "$deb" "$dir/root"; done
}

# standin_import TAR KEY NOTE TAG [ALIAS...] -- CHANGE...: imports the root file system and tags it. Every CHANGE is a
# Dockerfile line (ENV, CMD, ...). Tags that hold a real image are left alone.
standin_import() {
  local tarball=$1 key=$2 text=$3 tag id old
  shift 3
  local -a tags=() changes=()
  while [[ $# -gt 0 && $1 != -- ]]; do tags+=("$1") && shift; done
  shift
  local line
  for line in "$@"; do changes+=(--change "$line"); done
  id=$(standin_docker import "${changes[@]}" --change 'LABEL slipway.standin=true' \
    --change "LABEL slipway.standin.recipe=$key" --change "LABEL slipway.standin.note=\"$text\"" \
    --message 'stand-in made by Slipway ./dev' - <"$tarball")
  old=$(standin_docker images --no-trunc --quiet --filter "reference=${tags[0]}" --filter label=slipway.standin=true)
  for tag in "${tags[@]}"; do
    if standin_mine "$tag"; then
      standin_docker tag "$id" "$tag"
      note "stand-in $tag"
    else
      note "$tag is a real image here; left as it is"
    fi
  done
  # The stand-in of an older recipe goes, unless something still uses it (then docker refuses, and it stays).
  if [[ -n $old && $old != "$id" ]] && ! standin_docker rmi "$old" >/dev/null 2>&1; then
    note "the older stand-in ${old:7:12} is still in use and stays"
  fi
}
