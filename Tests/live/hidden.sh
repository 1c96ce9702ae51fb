# Some kernels (of guests whose host keeps its agent from being watched) run no BPF program while a thread of process 1 is
# current, and so in none of the softirqs that interrupt one. tracefs is not so: what it saw there, no probe can have seen.
hidden=$(mktemp -d) hidden_tracefs=""
for hidden_tracefs in /sys/kernel/tracing "$hidden/fs"; do
    [ -d "$hidden_tracefs/events/tcp" ] && break
    mkdir -p "$hidden/fs" && mount -t tracefs tracefs "$hidden/fs" 2>/dev/null || true
done
hidden_trace=$hidden_tracefs/instances/flightrec-hidden-$$

# hidden_start TEST: from here on.
hidden_start() {
    [ -d "$hidden_tracefs/instances" ] && mkdir -p "$hidden_trace" || return 0
    local threads event
    threads=$(ls /proc/1/task | sed 's/^/common_pid == /' | paste -sd'|' | sed 's/|/ || /g')
    echo >"$hidden_trace/trace"
    for event in tcp/tcp_retransmit_skb tcp/tcp_retransmit_synack tcp/tcp_probe tcp/tcp_receive_reset sock/inet_sock_set_state; do
        [ -d "$hidden_trace/events/$event" ] || continue
        echo "$threads" >"$hidden_trace/events/$event/filter" && echo 1 >"$hidden_trace/events/$event/enable"
    done
    # Nor does one run where such a thread gives its CPU to another, which then waits for all that is known. What threads did is what one
    # test is about.
    event=$hidden_trace/events/sched/sched_switch
    [ "$1" != threads ] || { echo "($threads) && next_comm ~ \"python*\"" >"$event/filter" && echo 1 >"$event/enable"; }
}

# hidden_events: those of TCP that came in a softirq on top of process 1 since, and those switches, a line each.
hidden_events() { [ ! -d "$hidden_trace" ] || awk '!/^#/ && ($3 ~ /^..[sh]/ || / sched_switch: /)' "$hidden_trace/trace"; }

hidden_stop() {
    [ ! -d "$hidden_trace" ] || echo 0 >"$hidden_trace/events/enable"
    [ ! -d "$hidden_trace" ] || rmdir "$hidden_trace"
    umount "$hidden/fs" 2>/dev/null || true
    rm -rf "$hidden"
}
