import Foundation
import PackagePlugin

/// Compiles `bpf/flightrec.bpf.c` with the toolchain's own clang and hands BPFObject a C file that embeds it: as it is, and without
/// instructions that kernels before 5.13 lack (bpf/atomic.h).
///
/// Debug sections go (BTF stays: CO-RE needs it), which takes the object from hundreds of KiB to tens.
@main
struct EmbedBPF: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: Target) throws -> [Command] {
        let sources = context.package.directoryURL.appending(path: "bpf")
        let inputs = try FileManager.default.contentsOfDirectory(at: sources, includingPropertiesForKeys: nil)
            .filter { ["c", "h"].contains($0.pathExtension) }
        let object = context.pluginWorkDirectoryURL.appending(path: "flightrec.bpf.o")
        let source = context.pluginWorkDirectoryURL.appending(path: "flightrec_bpf_object.c")
        let clang = try context.tool(named: "clang").url
        let objcopy = try context.tool(named: "llvm-objcopy").url
        #if arch(arm64)
            let arch = "arm64"
        #else
            let arch = "x86"
        #endif
        let script = """
            set -e
            compile() {
              "$1" -target bpf -O2 -g -Wall -Werror -D__TARGET_ARCH_\(arch) -I"$3" -c "$3/flightrec.bpf.c" -o "$4" "$5" "$6"
              "$2" --strip-debug "$4"
            }
            compile "$1" "$2" "$3" "$4" -mcpu=v3 -UFR_BEFORE_5_13
            # v3 is also what lets clang return what an atomic instruction found.
            compile "$1" "$2" "$3" "$4.before-5.13" -mcpu=v2 -DFR_BEFORE_5_13
            cat > "$5" <<EOF
            static const unsigned char object[] __attribute__((aligned(8))) = {
            #embed "$4"
            };
            static const unsigned char object_before_5_13[] __attribute__((aligned(8))) = {
            #embed "$4.before-5.13"
            };
            const unsigned char *const flightrec_bpf_object_data = object;
            const unsigned long flightrec_bpf_object_size = sizeof object;
            const unsigned char *const flightrec_bpf_object_before_5_13_data = object_before_5_13;
            const unsigned long flightrec_bpf_object_before_5_13_size = sizeof object_before_5_13;
            EOF
            """
        return [
            .buildCommand(
                displayName: "Compiling BPF programs",
                executable: URL(filePath: "/bin/sh"),
                arguments: ["-c", script, "embed", clang.path, objcopy.path, sources.path, object.path, source.path],
                inputFiles: inputs, outputFiles: [source])
        ]
    }
}
