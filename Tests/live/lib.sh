# Shared by the live tests. Each runs in a directory of its own, removed afterwards.
set -euo pipefail
fail() { echo "FAILED: $*"; exit 1; }
# check WHAT JQ-FILTER FILE: the filter must yield true.
check() { jq -e "$2" "$3" >/dev/null || fail "$1: $2 on $(jq -c 'objects | .verdict // empty' "$3" 2>/dev/null | head -c 2000) $(head -c 2000 "$3")"; }
# armed PID LOG: waits until the recorder of that pid says in its log that it watches. An emulated guest needs many seconds.
armed() {
    for _ in $(seq 600); do
        grep -q armed "$2" && return
        kill -0 "$1" 2>/dev/null || break
        sleep 0.1
    done
    fail "the recorder is not armed: $(cat "$2")"
}
