# Cases, processes, and waiting with an end. Sourced by `run`.

passed=0 failed=0 skipped=0 started=()

# check NAME COMMAND…: one case, one line. 77 means skipped; the first line it said tells why.
check() {
  local name=$1 status
  shift
  set +e
  (set -euo pipefail; "$@") >"$work/case.log" 2>&1
  status=$?
  set -e
  case $status in
    0) passed=$((passed + 1)); echo "ok       $name" ;;
    77) skip "$name" "$(head -1 "$work/case.log")" ;;
    *) failed=$((failed + 1)); echo "FAILED   $name"; sed 's/^/         /' "$work/case.log" ;;
  esac
}

skip() { skipped=$((skipped + 1)); echo "SKIPPED  $1: $2"; }

needs() { command -v "$1" >/dev/null || { echo "$1 is not installed"; exit 77; }; }

# start LOG COMMAND…: starts a process that is ended with the script.
start() {
  local log=$1
  shift
  "$@" >"$log" 2>"$log.err" &
  started+=($!)
}

stop_everything() {
  local number
  for ((number = ${#started[@]} - 1; number >= 0; number--)); do
    kill "${started[number]}" 2>/dev/null && wait "${started[number]}" 2>/dev/null || true
  done
  rm -rf "$work"
}

# within SECONDS COMMAND…: waits until the command succeeds.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || { echo "waited in vain for: $*"; return 1; }
    sleep 0.05
  done
}

# said LOG PATTERN: what the first group of PATTERN is in a log, once it is there.
said() {
  within 60 grep -qsE "$2" "$1" || { cat "$1" "$1.err" >&2; return 1; }
  sed -nE "s/.*$2.*/\1/p" "$1" | head -1
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# relay FOLDER: runs the relay of FOLDER/mailferry.yaml; `port` is where it listens.
relay() {
  start "$1/relay.out" "$mailferry" run --config "$1/mailferry.yaml"
  port=$(said "$1/relay.out.err" '"event":"listening".*"address":"127\.0\.0\.1:([0-9]+)"')
}
