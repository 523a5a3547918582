# shellcheck shell=bash
# Base images: the real ones are pulled; where no registry can be reached, the labelled stand-ins of tests/images are built.
# In: an engine that answers. Out: tags. An image that is here already is used as it is; none is ever replaced. Only what
# tests prepared is removed.

IMAGES_TEST=(node:24-alpine python:3.13-slim)

# images_kind TAG: what the tag holds.
images_kind() {
  local label
  label=$(docker image inspect --format '{{index .Config.Labels "slipway.standin"}}' "$1" 2>/dev/null) || {
    printf 'not here'
    return
  }
  if [[ $label == true ]]; then printf 'stand-in'; else printf 'here'; fi
}

images_recipe() {
  case $1 in
    node:*) printf '%s' tests/images/node.sh ;;
    python:*) printf '%s' tests/images/debian-python.sh ;;
    *) return 1 ;;
  esac
}

# images_pull TAG: 0 pulled, 2 no registry could be reached, 1 it answered and refused.
# Whether a registry answers shows within seconds; the download itself may then take as long as it needs.
images_pull() {
  local tag=$1 log=$DEV_STATE/logs/pull.log deadline status=0 pid
  mkdir -p "$DEV_STATE/logs"
  docker pull "$tag" >"$log" 2>&1 </dev/null &
  pid=$!
  deadline=$(($(now_ms) + 20000))
  while kill -0 "$pid" 2>/dev/null && (($(now_ms) < deadline)) && ! grep -q 'Pulling from' "$log"; do sleep 0.2; done
  if kill -0 "$pid" 2>/dev/null && ! grep -q 'Pulling from' "$log"; then
    kill "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null || true
    return 2
  fi
  wait "$pid" || status=$?
  ((status != 0)) || return 0
  ! grep -qiE 'no such host|i/o timeout|timed out|deadline exceeded|connection refused|network is unreachable|proxyconnect|no route to host|TLS handshake|x509|certificate|server misbehaving|EOF' "$log" || return 2
  return 1
}

# images_said: the last words of the last pull.
images_said() { tail -n 1 "$DEV_STATE/logs/pull.log" | cut -c1-200; }

# images_python PROJECT: 0 when the project to open looks like Python (a zip's names are in its directory, uncompressed).
images_python() {
  if [[ -d $1 ]]; then
    [[ -e $1/requirements.txt || -e $1/pyproject.toml || -e $1/manage.py || -e $1/app.py || -e $1/main.py ]]
  else
    tail -c 1048576 -- "$1" | LC_ALL=C grep -aqE '(requirements\.txt|pyproject\.toml|manage\.py|app\.py|main\.py)'
  fi
}

images_standin() {
  local recipe=$1
  ! setup_has_apt || setup_packages "${SETUP_STANDIN[@]}"
  step "stand-in image: $recipe" "$ROOT/$recipe" ||
    die "the stand-in image could not be built" "The log above says why. With a network that reaches a registry it is not needed."
}

# images_forget_tests: removes what Slipway prepared for tests more than an hour ago. All tests share it, so none removes it;
# a younger one may be about to be used by another run, and one that a container is made of stays. Whose an image is says its
# label: instances of tests end so (tests/support/containers.rs). The tag is looked at too, for labels are inherited; one
# without a tag lost it to another test that prepared the same.
images_forget_tests() {
  local id instance digest made tags old forgotten=0
  TZ=UTC printf -v old '%(%Y-%m-%dT%H:%M:%S)T' "$(($(now_ms) / 1000 - 3600))"
  while read -r id instance digest made tags; do
    [[ $instance == *ofthetests && $made < $old ]] || continue
    tags=${tags%,}
    [[ -z $tags || ($tags == slipway/*:"$digest" && $tags != *,*) ]] || continue
    # Refused for one that is in use.
    ! docker image rm "${tags:-$id}" >/dev/null 2>&1 || forgotten=$((forgotten + 1))
  done < <(
    docker image ls --quiet --no-trunc --filter label=slipway.role=image | sort -u | xargs -r docker image inspect --format \
      '{{.Id}} {{index .Config.Labels "slipway.instance"}} {{index .Config.Labels "slipway.prepared"}} {{.Created}} {{range .RepoTags}}{{.}},{{end}}'
  )
  ((forgotten == 0)) || note "removed $forgotten images that tests of before had prepared"
}

# images_ensure run PROJECT | images_ensure test
images_ensure() {
  local purpose=$1 project=${2:-} tag recipe reachable='' status began
  local -a wanted=("${IMAGES_TEST[@]}")
  if [[ $purpose == run ]]; then
    wanted=(node:24-alpine)
    ! images_python "$project" || wanted=(python:3.13-slim)
  fi
  for tag in "${wanted[@]}"; do
    recipe=$(images_recipe "$tag")
    case $(images_kind "$tag") in
      here) note "image $tag is here" && continue ;;
      # Cheap when the recipe has not changed.
      stand-in)
        if [[ $purpose == run ]]; then
          note "image $tag is a stand-in (docker rmi $tag makes room for the real one)"
        else
          images_standin "$recipe"
        fi
        continue
        ;;
    esac
    if [[ $reachable != no ]]; then
      say "Pulling $tag"
      began=$(now_ms)
      status=0
      images_pull "$tag" || status=$?
      case $status in
        0) note "pulled $tag in $(human_ms $(($(now_ms) - began)))" && continue ;;
        2) reachable=no && note "no container registry can be reached from here: $(images_said)" ;;
        *) note "the registry refused $tag: $(images_said)" ;;
      esac
    fi
    say "Building a stand-in for $tag from packages (it carries the label slipway.standin=true)"
    images_standin "$recipe"
  done
  [[ $purpose != test ]] || images_standin tests/images/scratch.sh
  images_forget_tests
}
