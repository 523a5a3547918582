# shellcheck shell=bash
# How ./dev speaks: one calm line per step, with its time, and errors that name the mend.
# Sourced by ./dev and by the image recipes; in come texts and commands, out go lines on standard error.
# Nothing here knows about Docker, Rust or Node.

if [[ -t 2 && -z ${NO_COLOR:-} ]]; then
  say_dim=$'\e[2m' say_red=$'\e[31m' say_green=$'\e[32m' say_bold=$'\e[1m' say_off=$'\e[0m'
else
  say_dim='' say_red='' say_green='' say_bold='' say_off=''
fi

# now_ms: milliseconds since the epoch, from bash's own clock.
now_ms() {
  local t=${EPOCHREALTIME/[.,]/}
  printf '%s' "$((t / 1000))"
}

# human_ms MS: "420 ms", "3.4 s" or "2 min 05 s".
human_ms() {
  local ms=$1
  if ((ms < 1000)); then
    printf '%d ms' "$ms"
  elif ((ms < 60000)); then
    printf '%d.%d s' $((ms / 1000)) $((ms % 1000 / 100))
  else
    printf '%d min %02d s' $((ms / 60000)) $((ms % 60000 / 1000))
  fi
}

say() { printf '%s\n' "$*" >&2; }
note() { printf '%s  %s%s\n' "$say_dim" "$*" "$say_off" >&2; }
heading() { printf '\n%s%s%s\n' "$say_bold" "$*" "$say_off" >&2; }

# die WHAT [MEND]: says what happened and what to do next, and ends with status 1.
die() {
  printf '%sdev: %s%s\n' "$say_red" "$1" "$say_off" >&2
  [[ $# -lt 2 ]] || printf '     %s\n' "$2" >&2
  exit 1
}

# step LABEL COMMAND...: runs the command with its output in a log under the state folder, prints one line with the
# time it took; on failure prints the log's end and returns the command's status.
step() {
  local label=$1 began status=0 log
  shift
  mkdir -p "$DEV_STATE/logs"
  log="$DEV_STATE/logs/$(printf '%s' "$label" | tr -c 'A-Za-z0-9' '-' | cut -c1-60).log"
  began=$(now_ms)
  printf '%s  %s ...%s\n' "$say_dim" "$label" "$say_off" >&2
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if ((status == 0)); then
    printf '  %s%s%s  %s\n' "$say_green" "$label" "$say_off" "$(human_ms $(($(now_ms) - began)))" >&2
  else
    printf '  %s%s: failed after %s (status %d). The end of %s:%s\n' "$say_red" "$label" \
      "$(human_ms $(($(now_ms) - began)))" "$status" "${log#"$ROOT"/}" "$say_off" >&2
    tail -n 40 "$log" | sed 's/^/    | /' >&2
  fi
  return "$status"
}
