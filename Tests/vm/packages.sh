# Kernels from Debian's archive, whatever release this machine is of: its own lists, in $scratch. Sourced by the runners.
mirror=${FLIGHTREC_DEBIAN_MIRROR:-http://deb.debian.org/debian}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/flightrec-vm

# lists SUITE: package lists of one release, once a run.
lists() {
    export APT_CONFIG=$scratch/apt-$1.conf
    [ -e "$APT_CONFIG" ] && return
    mkdir -p "$scratch/apt-$1/lists/partial" "$scratch/apt-$1/archives/partial"
    touch "$scratch/apt-$1/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $1 main" >"$scratch/apt-$1/sources.list"
    cat >"$APT_CONFIG" <<CONF
Dir::State::lists "$scratch/apt-$1/lists";
Dir::State::status "$scratch/apt-$1/status";
Dir::Cache "$scratch/apt-$1";
Dir::Etc::sourcelist "$scratch/apt-$1/sources.list";
Dir::Etc::sourceparts "/nonexistent";
APT::Sandbox::User "$(id -un)";
CONF
    apt-get update -qq
}

# kernel NAME SUITE PATTERN: the suite's newest kernel image of that pattern, unpacked once into $cache/NAME, with its modules.
kernel() {
    [ -e "$cache/$1/boot" ] && return
    rm -rf "$scratch/debs" "$cache/$1.part"
    mkdir -p "$scratch/debs" "$cache/$1.part"
    (
        lists "$2"
        cd "$scratch/debs"
        newest=$(apt-cache search --names-only "^linux-image-$3\$" | sort -V | tail -1 | cut -d' ' -f1)
        # Newer releases have image and modules in packages of their own, and the image among the modules.
        version=${newest#linux-image-}
        parts=$(apt-cache search --names-only "^linux-(binary|modules)-${version//+/\\+}\$" | cut -d' ' -f1)
        apt-get download -qq "${newest:?no kernel $3 in $2}" $parts
    ) >"$scratch/download.log" 2>&1 || { cat "$scratch/download.log"; echo "cannot download a kernel $3 of Debian $2: is $mirror reachable?"; exit 1; }
    local deb
    for deb in "$scratch/debs"/*.deb; do dpkg -x "$deb" "$cache/$1.part"; done
    [ -e "$cache/$1.part/lib" ] || ln -s usr/lib "$cache/$1.part/lib"
    local version
    version=$(basename "$(echo "$cache/$1.part"/lib/modules/*)")
    [ -e "$cache/$1.part/boot" ] || { mkdir "$cache/$1.part/boot" && ln -s "../lib/modules/$version/vmlinuz" "$cache/$1.part/boot/vmlinuz-$version"; }
    depmod -b "$cache/$1.part" "$version"
    rm -rf "$cache/$1"
    mv "$cache/$1.part" "$cache/$1"
}
