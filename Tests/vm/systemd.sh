# systemd for the virtual machine where it is the first process: this machine's own, without what the service needs none of. Sourced
# by run.

# systemd_files: writes $scratch/systemd.cpio, which is unpacked over the base.
systemd_files() {
    local root=$scratch/systemd file unit
    local programs=(/lib/systemd/systemd /lib/systemd/systemd-journald /lib/systemd/systemd-shutdown /usr/bin/systemctl /usr/bin/journalctl
        /usr/bin/systemd-run)
    mkdir -p "$root"/{bin,home,root,var/tmp,usr/local/bin,etc/systemd/system,lib/systemd/system}
    copy "$root" "${programs[@]}" $(ldd "${programs[@]}" | grep -o '/[^ :)]*' | sort -u)
    ln -s /usr/bin/{systemctl,journalctl,systemd-run} "$root/bin/"
    # Of the units, what reaches multi-user.target, and the journal.
    for unit in basic graphical local-fs local-fs-pre multi-user paths slices sockets swap sysinit timers shutdown umount final poweroff \
        network network-pre; do
        copy "$root" "/lib/systemd/system/$unit.target"
    done
    for file in systemd-journald{.service,.socket,-dev-log.socket} systemd-poweroff.service; do copy "$root" "/lib/systemd/system/$file"; done
    mkdir -p "$root/lib/systemd/system/sockets.target.wants" "$root/etc/systemd/system/multi-user.target.wants"
    ln -s ../systemd-journald.socket ../systemd-journald-dev-log.socket "$root/lib/systemd/system/sockets.target.wants/"
    ln -s /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
    cp "$here/guest.service" "$root/etc/systemd/system/"
    ln -s ../guest.service "$root/etc/systemd/system/multi-user.target.wants/"
    head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$root/etc/machine-id"
    printf 'root:x:0:\nsystemd-journal:x:101:\ntty:x:5:\n' >"$root/etc/group"
    (cd "$root" && find . | cpio -o -H newc --quiet) >"$scratch/systemd.cpio"
    rm -rf "$root"
}
