# shellcheck shell=bash
# The Docker engine that ./dev works with: finds it, installs and starts one where it may, stops only its own.
# In: the machine. Out: an engine that answers `docker version`. Knows nothing of images or of Slipway's containers.

ENGINE_STATE=$DEV_STATE/engine
# Where dockerd keeps its socket and pid files; a second engine for a test may have them elsewhere.
ENGINE_RUN=${SLIPWAY_DEV_ENGINE_RUN:-/var/run}

engine_answers() {
  command -v docker >/dev/null && timeout 20 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

# engine_why: one sentence on why no engine answers.
engine_why() {
  command -v docker >/dev/null || {
    printf 'the docker command is not installed'
    return
  }
  local said
  said=$(timeout 20 docker version --format '{{.Server.Version}}' 2>&1) || true
  case $said in
    *"permission denied"*) printf 'your user may not speak to the engine: sudo usermod -aG docker %s' "$(id -un)" ;;
    *) printf '%s' "${said##*$'\n'}" ;;
  esac
}

# engine_alive PID: 0 when the process runs; a zombie does not.
engine_alive() {
  local state
  state=$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) || return 1
  [[ -n $state && $state != Z ]]
}

# engine_birth PID: when the process began, in kernel ticks: with the pid it names one process for ever.
engine_birth() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# engine_ours: 0 when the engine that ./dev started still runs.
engine_ours() {
  local pid birth
  read -r pid birth 2>/dev/null <"$ENGINE_STATE/dockerd.pid" || return 1
  engine_alive "$pid" && [[ $(engine_birth "$pid") == "$birth" ]]
}

# engine_sweep: removes pid files that name a dead process; dockerd refuses to start beside them.
engine_sweep() {
  local file pid
  for file in "$ENGINE_RUN/docker.pid" "$ENGINE_RUN/docker/containerd/containerd.pid"; do
    [[ -e $file ]] || continue
    pid=$(tr -dc 0-9 <"$file")
    if [[ -n $pid ]] && engine_alive "$pid"; then continue; fi
    note "$file names a process that is gone; removing it"
    setup_root rm -f "$file"
  done
}

# engine_launch ARGS...: dockerd in the background, detached from this script, log in the state folder. Sets engine_pid.
engine_launch() {
  # setsid becomes dockerd by exec, so the shell's $! stays its number.
  # shellcheck disable=SC2016 # the inner shell expands these
  engine_pid=$(setup_root bash -c 'log=$1; shift; exec setsid nohup dockerd "$@" >>"$log" 2>&1 </dev/null & echo $!' \
    dockerd-launch "$ENGINE_STATE/dockerd.log" --pidfile "$ENGINE_RUN/docker.pid" "$@")
}

# engine_wait SECONDS [PID]: 0 once an engine answers; 1 when the time is over or the dockerd PID ended.
engine_wait() {
  local deadline=$(($(now_ms) + $1 * 1000))
  while (($(now_ms) < deadline)); do
    engine_answers && return
    [[ ! -S $ENGINE_RUN/docker.sock ]] || [[ -w $ENGINE_RUN/docker.sock ]] || return 1
    if [[ -n ${2:-} ]] && ! engine_alive "$2"; then return 1; fi
    sleep 0.2
  done
  return 1
}

engine_start_here() {
  local log=$ENGINE_STATE/dockerd.log mark engine_pid=''
  mkdir -p "$ENGINE_STATE"
  touch "$log"
  engine_sweep
  mark=$(wc -c <"$log")
  engine_launch
  if ! engine_wait 40 "$engine_pid" && ! engine_alive "$engine_pid" && tail -c "+$((mark + 1))" "$log" | grep -qiE 'iptables|nftables|ip6tables'; then
    note "the engine could not set up its network rules; starting it without them (no bridge network, which strict workspaces do not use)"
    engine_sweep
    engine_launch --iptables=false --ip6tables=false --bridge=none
    engine_wait 40 "$engine_pid" || true
  fi
  ! engine_alive "$engine_pid" || printf '%s %s\n' "$engine_pid" "$(engine_birth "$engine_pid")" >"$ENGINE_STATE/dockerd.pid"
  engine_answers && return
  [[ $(engine_why) != *usermod* ]] || return 0
  tail -n 15 "$log" | sed 's/^/    | /' >&2
  die "the Docker engine did not start" "The end of its log is above (${log#"$ROOT"/}). Mend that, or start an engine yourself, and run ./dev again."
}

engine_install() {
  setup_has_apt || die "there is no Docker engine here" "Install one: https://docs.docker.com/engine/install/"
  local -a packages=(docker.io iptables)
  # From Debian 13 on, the command is a package of its own.
  [[ $(apt-cache policy docker-cli 2>/dev/null) != *Candidate:\ [0-9]* ]] || packages+=(docker-cli)
  setup_packages "${packages[@]}"
}

# engine_denied: ends with the mend when an engine runs but refuses this user.
engine_denied() {
  [[ $(engine_why) == *usermod* ]] || return 0
  die "the Docker engine runs, but your user $(id -un) may not speak to it" \
    "Run: sudo usermod -aG docker $(id -un)   then log out and in again (or run: newgrp docker), and call ./dev again."
}

# engine_ensure: an engine that answers, or an error that names the mend.
engine_ensure() {
  if ! command -v docker >/dev/null; then
    [[ $(uname -s) == Linux ]] || die "there is no docker command here" "Install Docker Desktop, Colima or OrbStack, start it, and run ./dev again."
    engine_install
  fi
  if ! engine_answers; then
    engine_denied
    local host=${DOCKER_HOST:-$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null || true)}
    if [[ $(uname -s) != Linux || ( -n $host && $host != unix:///var/run/docker.sock ) ]]; then
      die "the Docker engine at ${host:-its usual place} does not answer: $(engine_why)" "Start it, then run ./dev again."
    fi
    if [[ -d /run/systemd/system ]]; then
      command -v dockerd >/dev/null || engine_install
      step "starting the Docker engine with systemctl" setup_root systemctl start docker ||
        die "systemctl could not start docker" "See: systemctl status docker"
      engine_wait 30 || true
    else
      command -v dockerd >/dev/null || engine_install
      local began
      began=$(now_ms)
      say "Starting the Docker engine in the background (log: ${ENGINE_STATE#"$ROOT"/}/dockerd.log)"
      engine_start_here
      note "the engine is up after $(human_ms $(($(now_ms) - began)))"
    fi
    engine_denied
    engine_answers || die "the Docker engine does not answer: $(engine_why)" "Start it, then run ./dev again."
  fi
  note "Docker engine $(docker version --format '{{.Server.Version}} (API {{.Server.APIVersion}})')"
}

# engine_stop: ends the engine that ./dev started, and no other.
engine_stop() {
  local pid birth deadline
  if ! engine_ours; then
    say "No Docker engine of ./dev runs; nothing to stop."
    rm -f "$ENGINE_STATE/dockerd.pid"
    return
  fi
  read -r pid birth <"$ENGINE_STATE/dockerd.pid"
  say "Stopping the Docker engine that ./dev started (pid $pid)"
  setup_root kill "$pid"
  deadline=$(($(now_ms) + 30000))
  while engine_alive "$pid" && (($(now_ms) < deadline)); do sleep 0.2; done
  ! engine_alive "$pid" || die "the engine (pid $pid, started at tick $birth) is still there after 30 s" "Look at its log: $ENGINE_STATE/dockerd.log"
  rm -f "$ENGINE_STATE/dockerd.pid"
  say "Stopped."
}
