# A private Docker daemon and images made of this machine's own programs, for the live tests.
docker_root=$PWD/docker
export DOCKER_HOST=unix://$docker_root/docker.sock

# docker_start: a daemon of our own, in its own mount namespace, ended by docker_stop. $docker_network: its options.
docker_start() {
    mkdir -p "$docker_root"
    unshare -m bash -c 'mount --make-rprivate / && exec dockerd --data-root "$0/data" --exec-root "$0/exec" \
        -H "unix://$0/docker.sock" --pidfile "$0/docker.pid" --storage-driver vfs \
        ${1:---bip 172.29.0.1/24}' "$docker_root" "${docker_network:-}" >"$docker_root/log" 2>&1 &
    docker_pid=$!
    for _ in $(seq 100); do docker info >/dev/null 2>&1 && return; sleep 0.2; done
    fail "dockerd did not start: $(tail -5 "$docker_root/log")"
}

docker_stop() {
    [ -n "${docker_pid:-}" ] || return 0
    docker ps -aq | xargs -r docker rm -f >/dev/null 2>&1 || true
    kill "$docker_pid" 2>/dev/null || true
    wait "$docker_pid" 2>/dev/null || true
    umount -R "$docker_root" 2>/dev/null || true
    docker_pid=
}

# docker_image NAME PROGRAM...: an image with busybox and the programs with the libraries they need.
docker_image() {
    local name=$1 root program library
    root=$(mktemp -d)
    shift
    mkdir -p "$root/bin" "$root/etc" "$root/tmp" "$root/var/log/nginx" "$root/var/lib/nginx" "$root/run"
    echo 'root:x:0:0::/:/bin/sh' >"$root/etc/passwd"
    echo 'root:x:0:' >"$root/etc/group"
    cp /bin/busybox "$root/bin/"
    for program in sh sleep; do ln -s busybox "$root/bin/$program"; done
    for program in "$@"; do
        cp "$(command -v "$program")" "$root/bin/"
        for library in $(ldd "$(command -v "$program")" | grep -o '/[^ )]*'); do
            mkdir -p "$root$(dirname "$library")"
            cp -Ln "$library" "$root$library"
        done
    done
    tar -C "$root" -c . | docker import - "$name" >/dev/null
    rm -rf "$root"
}
