# shellcheck shell=bash
# ./dev test: sets up, then runs every check and test, cheapest first, and ends with one line per stage and its time.
# A failed stage does not keep the later ones from running; the exit status is 0 only when every stage passed.

stage_names=()
stage_results=()
stage_times=()
stage_failed=0

# stage NAME COMMAND...: runs the command with its output shown and kept in .dev/logs.
stage() {
  local name=$1 began status=0 took log
  shift
  log=$DEV_STATE/logs/stage-${name// /-}.log
  mkdir -p "$DEV_STATE/logs"
  heading "== $name"
  began=$(now_ms)
  ("$@") </dev/null > >(tee "$log") 2>&1 || status=$?
  took=$(($(now_ms) - began))
  stage_names+=("$name")
  stage_times+=("$took")
  if ((status == 0)); then
    stage_results+=(passed)
  else
    stage_results+=(FAILED)
    stage_failed=1
  fi
  say "== $name: ${stage_results[-1]} in $(human_ms "$took")"
}

# stage_note NAME WHY: a stage that cannot run here and is not required, said so in the summary.
stage_note() {
  stage_names+=("$1")
  stage_times+=(0)
  stage_results+=("left out: $2")
}

check_shell() {
  # With -x the sourced parts in scripts/ are followed from these.
  shellcheck -x dev .ci/run tests/images/*.sh
}

# What the test runner runs under; nothing, but for the tests that need a display.
TEST_UNDER=()

# tests_in ARGS...: the test runner; nextest where it is installed, cargo test otherwise.
tests_in() {
  if cargo nextest --version >/dev/null 2>&1; then
    local -a flags=(--locked --no-fail-fast)
    # A filter may match nothing in this stage; without one, a stage that runs no test has failed.
    if [[ -z $TEST_FILTER ]]; then flags+=(--no-tests fail); else flags+=(--no-tests pass); fi
    [[ -z $TEST_STRESS ]] || flags+=(--run-ignored all)
    # shellcheck disable=SC2086 # one word or none
    "${TEST_UNDER[@]}" cargo nextest run "${flags[@]}" "$@" $TEST_FILTER
  else
    local -a after=()
    [[ -z $TEST_STRESS ]] || after+=(--include-ignored)
    # shellcheck disable=SC2086 # one word or none
    "${TEST_UNDER[@]}" cargo test --locked --no-fail-fast "$@" $TEST_FILTER -- "${after[@]}"
  fi
}

# tests_of NAME: the test target NAME of the package slipway-tests, which must be there.
tests_of() {
  local name=$1
  if ! grep -q "^name = \"$name\"" tests/Cargo.toml; then
    say "tests/Cargo.toml names no test target \"$name\". It is part of the suite: restore it, or take its stage out of scripts/stages.sh."
    return 1
  fi
  tests_in -p slipway-tests --test "$name"
}

# tests_shown NAME: the same under a display and a session bus of its own, so that nothing of the person's desktop is touched.
tests_shown() {
  local -a TEST_UNDER=(env -u WAYLAND_DISPLAY xvfb-run --auto-servernum
    --server-args='-screen 0 1920x1080x24 -nolisten tcp' dbus-run-session --)
  tests_of "$1"
}

ui_check() { npm --prefix ui run check; }
ui_test() { npm --prefix ui test -- "$@"; }

stages_summary() {
  local index passed=0 failed=0
  heading "Summary"
  for index in "${!stage_names[@]}"; do
    printf '  %-12s %12s  %s\n' "${stage_names[index]}" "$(human_ms "${stage_times[index]}")" "${stage_results[index]}" >&2
    case ${stage_results[index]} in
      passed) passed=$((passed + 1)) ;;
      FAILED) failed=$((failed + 1)) ;;
    esac
  done
  printf '  %-12s %12s\n\n' "in all" "$(human_ms $(($(now_ms) - $1)))" >&2
  if ((failed == 0)); then
    say "Everything passed: $passed stages."
  else
    say "$failed of $((passed + failed)) stages failed. Each one's output is above, and in ${DEV_STATE#"$ROOT"/}/logs/stage-NAME.log."
  fi
}

stages_run() {
  local fast='' began
  TEST_FILTER='' TEST_STRESS=''
  while [[ $# -gt 0 ]]; do
    case $1 in
      --fast) fast=1 ;;
      --stress) TEST_STRESS=1 && export SLIPWAY_STRESS=1 ;;
      -*) die "test has no option $1" "Use --fast, --stress, or a word of a test's name." ;;
      *)
        [[ -z $TEST_FILTER ]] || die "test takes one filter" "Use one word of the tests' names."
        [[ $1 != *[[:space:]]* ]] || die "a filter is one word" "Use one word of the tests' names."
        TEST_FILTER=$1
        ;;
    esac
    shift
  done
  began=$(now_ms)
  heading "Setting up"
  setup_machine test
  if [[ -z $fast ]]; then
    engine_ensure
    images_ensure test
    setup_registry
  fi
  if ! cargo nextest --version >/dev/null 2>&1; then
    note "cargo-nextest is not installed, so cargo test runs the tests (cargo install --locked cargo-nextest makes it quicker)"
  fi
  # One build's half-finished state is of no use to the next in CI.
  [[ -z ${CI:-} ]] || export CARGO_INCREMENTAL=0
  build_ui_packages

  if [[ -z $TEST_FILTER ]]; then
    stage shell check_shell
    stage format cargo fmt --all --check
    stage ui-check ui_check
    stage ui-test ui_test
  fi
  stage ui-build build_ui
  if [[ -z $TEST_FILTER ]]; then
    stage types cargo xtask types --check
    stage clippy cargo clippy --locked --workspace --all-targets -- -D warnings
    if cargo deny --version >/dev/null 2>&1; then
      stage deny cargo deny --offline check bans licenses sources
    else
      stage_note deny "cargo-deny is not installed"
    fi
  fi
  stage tidy tests_of tidy
  # Some of the engine's own tests speak with the real agent.
  stage agent build_agent
  build_agent_path
  stage unit tests_in --workspace --exclude slipway-tests
  if [[ -z $fast ]]; then
    stage build build_programs debug
    stage engine tests_of engine
    stage cli tests_of cli
    stage e2e tests_shown e2e
  fi
  stages_summary "$began"
  exit "$stage_failed"
}
