# shellcheck shell=bash
# Builds what ./dev runs: the interface, the static agent, the app and the command line.
# In: Node, Rust and the system libraries. Out: ui/dist and programs in the target folder; each only when its inputs changed.

# build_digest PATH...: a digest of the names and contents of the files git would keep below the paths. A file that was
# deleted and not yet committed has no content; its absence changes the digest.
build_digest() {
  git -C "$ROOT" ls-files -z --cached --others --exclude-standard -- "$@" | sort -z |
    { xargs -0 -r sha256sum -- 2>/dev/null || true; } | sha256sum | cut -d' ' -f1
}

# build_npm_packages: npm ci; where npm refuses the lockfile only because it lacks some other platform's optional packages,
# npm install, which takes the same locked versions and writes nothing back.
build_npm_packages() {
  local said
  if said=$(npm --prefix ui ci --no-audit --no-fund 2>&1); then
    printf '%s\n' "$said"
    return
  fi
  # The help that npm prints after a refusal says nothing of this case.
  printf '%s\n' "${said%%Clean install a project*}"
  [[ $said == *'are in sync'* ]] || return 1
  printf 'npm ci refuses the lockfile; npm install takes it:\n'
  npm --prefix ui install --no-save --no-audit --no-fund
}

# build_ui_packages: ui/node_modules as the lockfile says.
build_ui_packages() {
  local stamp=$DEV_STATE/ui-packages wanted
  wanted="$(build_digest ui/package.json ui/package-lock.json) $(node --version)"
  if [[ ! -d ui/node_modules || $(cat "$stamp" 2>/dev/null) != "$wanted" ]]; then
    step "npm packages of ui/" build_npm_packages ||
      die "the interface's packages could not be installed" "Check the network (npm's own words are above) and run ./dev again."
    printf '%s' "$wanted" >"$stamp"
  fi
}

build_ui() {
  local stamp=$DEV_STATE/ui-built wanted
  build_ui_packages
  wanted="$(build_digest ui) $(node --version)"
  if [[ -f ui/dist/index.html && $(cat "$stamp" 2>/dev/null) == "$wanted" ]]; then
    note "the interface is up to date"
    return
  fi
  step "building the interface" npm --prefix ui run build || die "the interface does not build" "The compiler's words are above."
  printf '%s' "$wanted" >"$stamp"
}

# build_cargo LABEL ARGS...: cargo with its progress on a terminal, in a log otherwise.
build_cargo() {
  local label=$1 began
  shift
  if [[ -t 2 ]]; then
    say "$label"
    began=$(now_ms)
    cargo "$@" || die "$label failed" "The compiler's words are above."
    note "done in $(human_ms $(($(now_ms) - began)))"
  else
    step "$label" cargo "$@" || die "$label failed" "The compiler's words are above."
  fi
}

# build_agent_path: exports SLIPWAY_AGENT, where cargo xtask agent puts the static agent.
build_agent_path() {
  local arch
  arch=$(uname -m)
  export SLIPWAY_AGENT=$TARGET/slipway-agent-${arch/arm64/aarch64}
}

build_agent() {
  build_cargo "building the agent" xtask agent
  build_agent_path
  [[ -x $SLIPWAY_AGENT ]] || die "the agent is not where cargo xtask agent puts it ($SLIPWAY_AGENT)" "Run: cargo xtask agent"
}

# build_programs debug|release
build_programs() {
  local -a flags=(--locked)
  [[ $1 == debug ]] || flags+=(--release)
  build_cargo "building the app and the command line ($1; the first time takes minutes)" build "${flags[@]}" \
    -p slipway-desktop -p slipway-cli
}
