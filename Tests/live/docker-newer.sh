# Debian 13's Docker for this machine: Debian 12's, 20.10, knows neither CAP_BPF nor CAP_PERFMON. Its programs run on Debian 12's
# libraries, with the runc that is installed.
. "$(dirname "${BASH_SOURCE[0]}")/../vm/packages.sh"

# docker_newer: unpacked once into $cache/docker-13; puts it first in PATH.
docker_newer() {
    local to=$cache/docker-13 scratch=$PWD/docker-newer deb
    if [ ! -e "$to" ]; then
        mkdir -p "$scratch/debs" "$to.part"
        (
            lists trixie
            cd "$scratch/debs"
            apt-get download -qq docker.io docker-cli containerd
        ) >"$scratch/download.log" 2>&1 || fail "cannot download Debian 13's Docker, is $mirror reachable? $(tail -5 "$scratch/download.log")"
        for deb in "$scratch/debs"/*.deb; do dpkg -x "$deb" "$to.part"; done
        mv "$to.part" "$to"
        rm -rf "$scratch"
    fi
    PATH=$to/usr/bin:$to/usr/sbin:$PATH
}
