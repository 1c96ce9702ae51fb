# Debian's AppArmor for the virtual machine: its own parser and what profiles include. Sourced by run.

# apparmor_files: writes $scratch/apparmor.cpio, which is unpacked over the base.
apparmor_files() {
    local to=$cache/apparmor root=$scratch/apparmor
    if [ ! -e "$to" ]; then
        mkdir -p "$scratch/apparmor-deb" "$to.part"
        (
            lists bookworm
            cd "$scratch/apparmor-deb"
            apt-get download -qq apparmor
        ) >"$scratch/download.log" 2>&1 || { cat "$scratch/download.log"; echo "cannot download Debian's apparmor: is $mirror reachable?"; exit 1; }
        dpkg -x "$scratch/apparmor-deb"/*.deb "$to.part"
        mv "$to.part" "$to"
    fi
    mkdir -p "$root/bin" "$root/etc/apparmor.d"
    cp "$to/sbin/apparmor_parser" "$to/usr/bin/aa-exec" "$root/bin/"
    cp -r "$to"/etc/apparmor.d/{abi,abstractions,tunables} "$root/etc/apparmor.d/"
    (cd "$root" && find . | cpio -o -H newc --quiet) >"$scratch/apparmor.cpio"
    rm -rf "$root"
}
