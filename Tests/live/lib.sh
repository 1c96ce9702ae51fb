# Shared by the live tests. Each runs in a directory of its own, removed afterwards.
set -euo pipefail
fail() { echo "FAILED: $*"; exit 1; }
# check WHAT JQ-FILTER FILE: the filter must yield true.
check() { jq -e "$2" "$3" >/dev/null || fail "$1: $2 on $(head -c 2000 "$3")"; }
