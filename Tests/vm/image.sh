# What the virtual machines boot into: this machine's own programs in an initramfs. Sourced by run.

# Interpreter and standard library, the programs the tests use, and the tests.
programs=(bash ip tc ss nstat nft sqlite3 bpftool redis-server redis-benchmark redis-cli setpriv unshare)

# copy ROOT PATH...: each to where it is here.
copy() {
    local root=$1 path
    shift
    for path in "$@"; do [ -e "$root$path" ] || install -D "$path" "$root$path"; done
}

# base FLIGHTREC: writes $scratch/base.cpio, the same for all kernels.
base() {
    local root=$scratch/base python library tool program
    mkdir -p "$root"/{bin,sbin,proc,sys,dev,tmp,run/netns,etc,usr/bin,usr/sbin,var/lib}
    python=$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable))')
    library=$(python3 -c 'import sysconfig; print(sysconfig.get_path("platstdlib"))')
    copy "$root" "$python"
    ln -s "$python" "$root/bin/python3"
    mkdir -p "$root$library"
    # Bytecode that is not checked against its source: nothing here has a clock to go by.
    tar -C "$library" -c --exclude={test,tests,idlelib,tkinter,turtle*,dist-packages,site-packages,__pycache__,ensurepip,lib2to3,config-*,pydoc_data,unittest,multiprocessing,distutils,curses,dbm,sqlite3,xml,xmlrpc,html,wsgiref,venv} . | tar -C "$root$library" -x
    python3 -m compileall -qq -j 2 --invalidation-mode unchecked-hash -s "$root" "$root$library"
    install -m 755 /bin/busybox "$root/bin/busybox"
    install -m 755 "$1" "$root/bin/flightrec"
    strip "$root/bin/flightrec"
    for program in "${programs[@]}"; do install -m 755 "$(realpath "$(command -v "$program")")" "$root/bin/$program"; done
    # Of two that read the tests' filters: jq 1.6 takes an emulated machine 0.3 s to begin, a tenth of all it had to do.
    install -m 755 "$(realpath "$(command -v gojq)")" "$root/bin/jq"
    for tool in $(ldd "$root"/bin/* "$python" "$library"/lib-dynload/*.so 2>/dev/null | grep -o '/[^ :)]*' | sort -u); do
        [[ $tool = "$root"* || $tool = "$library"* ]] || copy "$root" "$tool"
    done
    for tool in $(/bin/busybox --list); do [ -e "$root/bin/$tool" ] || ln -s busybox "$root/bin/$tool"; done
    ln -s ../bin/busybox "$root/sbin/modprobe" # the kernel calls it there
    ln -s ../../bin/ip "$root/usr/sbin/ip"
    ln -s ../../bin/env "$root/usr/bin/env"
    mkdir "$root/tests"
    cp -r "$here"/../{lab,live,vm} "$root/tests/"
    cp "$here/../lab/service.py" "$root/service.py"
    # Each client is a process of its own, and to compile this takes it longer than its request.
    python3 -c 'import py_compile, sys; py_compile.compile(sys.argv[1], sys.argv[2], "/service.py", True)' "$root/service.py" "$root/service.pyc"
    printf 'root:x:0:0:root:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n' >"$root/etc/passwd"
    install -m 755 "$here/init" "$root/init"
    (cd "$root" && find . | cpio -o -H newc --quiet) >"$scratch/base.cpio"
    rm -rf "$root"
}

# modules KERNEL VERSION MODULE...: writes $scratch/KERNEL.initramfs, the base with those modules and what they need.
modules() {
    local from=$cache/$1 root=$scratch/modules-$1 version=$2 module file
    local to=$root/lib/modules/$2
    mkdir -p "$to"
    for module in "${@:3}"; do
        for file in $(modprobe -d "$from" -S "$version" --show-depends --ignore-install "$module" 2>/dev/null | sed -n 's/^insmod \([^ ]*\).*/\1/p'); do
            case $file in
                *.xz) xz -dc "$file" >"$to/$(basename "$file" .xz)" ;;
                *.zst) zstd -dcq "$file" >"$to/$(basename "$file" .zst)" ;;
                *) cp "$file" "$to/" ;;
            esac
        done
    done
    touch "$to"/modules.{order,builtin,builtin.modinfo} # the package's list modules not copied
    depmod -b "$root" "$version"
    { cat "$scratch/base.cpio"; (cd "$root" && find . | cpio -o -H newc --quiet); } >"$scratch/$1.initramfs"
    rm -rf "$root"
}
