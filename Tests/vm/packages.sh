# Kernels from Debian's archive, whatever release this machine is of: its own lists, in $scratch. Sourced by the runners.
mirror=${FLIGHTREC_DEBIAN_MIRROR:-http://deb.debian.org/debian}
ubuntu=${FLIGHTREC_UBUNTU_MIRROR:-http://archive.ubuntu.com/ubuntu}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/flightrec-vm

# lists SUITE: package lists of one release, once a run. Debian has no package of Ubuntu's keys: its kernels are not verified, and run in
# virtual machines alone.
lists() {
    local own=$scratch/apt-${1//\//-} source="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $1"
    [[ $1 != ubuntu/* ]] || source="[trusted=yes] $ubuntu ${1#ubuntu/}"
    export APT_CONFIG=$own.conf
    [ -e "$APT_CONFIG" ] && return
    mkdir -p "$own/lists/partial" "$own/archives/partial"
    touch "$own/status"
    echo "deb $source main" >"$own/sources.list"
    cat >"$APT_CONFIG" <<CONF
Dir::State::lists "$own/lists";
Dir::State::status "$own/status";
Dir::Cache "$own";
Dir::Etc::sourcelist "$own/sources.list";
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
    ) >"$scratch/download.log" 2>&1 || { cat "$scratch/download.log"; echo "cannot download a kernel $3 of $2: are $mirror and $ubuntu reachable?"; exit 1; }
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
