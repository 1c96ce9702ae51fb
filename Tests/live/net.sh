# Network namespaces of our own, recorders and their events, for the live tests of TCP.
here=$(dirname "${BASH_SOURCE[0]}")
declare -A recorder
namespaces=()

# namespace NAME: with loopback up; at the end of the test everything is removed by net_stop.
namespace() {
    ip netns add "$1"
    namespaces+=("$1")
    ip -n "$1" link set lo up
}

# pair A B: a veth pair between two namespaces, 10.89.0.1 and fd89::1 in A, …2 in B; one segment a packet, so that
# the kernel's counters count what flightrec does.
pair() {
    ip link add va netns "$1" type veth peer name vb netns "$2"
    local end
    for end in "$1 va 1" "$2 vb 2"; do
        set -- $end
        ip -n "$1" addr add "10.89.0.$3/24" dev "$2"
        ip -n "$1" addr add "fd89::$3/64" dev "$2" nodad
        ip -n "$1" link set "$2" up gso_max_segs 1
    done
}

# record NAME OPTION...: a recorder, armed on return. Captures in ./NAME, log in NAME.log.
record() {
    local name=$1
    shift
    "$flightrec" record --dir "$PWD/$name" "$@" 2>"$name.log" &
    recorder[$name]=$!
    sleep 0.1
    armed ${recorder[$name]} "$name.log"
}

# stop NAME: ends it; every event must be accounted for.
stop() {
    kill -INT "${recorder[$1]}"
    wait "${recorder[$1]}" || fail "the recorder: $(cat "$1.log")"
    unset "recorder[$1]"
    grep -q ' 0 lost, 0 unreadable, 0 unaccounted' "$1.log" || fail "the books: $(cat "$1.log")"
}

# events NAME: every event up to now, each with its socket's names, as JSON; all of show --json in NAME.show.json.
events() {
    local id
    id=$("$flightrec" snapshot --dir "$PWD/$1")
    for _ in $(seq 50); do [ -e "$1/$id.flightrec" ] && break; sleep 0.1; done
    "$flightrec" show "$id" --dir "$PWD/$1" --json --events >"$1.show.json"
    jq -c 'INDEX(.sockets[]; .socket) as $sockets | [.events[] | . as $event | ($sockets[.socket | tostring] // {}) as $of |
        $event + {local: $of.local, remote: $of.remote, socket_role: $of.role, ms: ((.total_ns // 0) / 1e6)} +
        if $of == {} then {} else
            {port: ((if $of.role == "served" then $of.local else $of.remote end) | split(":") | last | tonumber)} end]' \
        "$1.show.json"
}

# counter NAMESPACE NAME: the namespace's own count (nstat), TcpExtTCPTimeouts and so on.
counter() { ip netns exec "$1" nstat -asz "$2" | awk -v name="$2" '$1 == name { print $2 }'; }

net_stop() {
    local name
    for name in "${!recorder[@]}"; do kill "${recorder[$name]}" 2>/dev/null || true; done
    for name in "${namespaces[@]}"; do
        ip netns pids "$name" | xargs -r kill 2>/dev/null || true
        ip netns del "$name" 2>/dev/null || true
    done
}
trap net_stop EXIT
