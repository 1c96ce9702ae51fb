import Foundation
import PackagePlugin

/// Compiles `bpf/flightrec.bpf.c` with the toolchain's own clang and hands BPFObject a C file that embeds it.
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
            "$1" -target bpf -mcpu=v3 -O2 -g -Wall -Werror -D__TARGET_ARCH_\(arch) \
              -I"$3" -c "$3/flightrec.bpf.c" -o "$4"
            "$2" --strip-debug "$4"
            cat > "$5" <<EOF
            static const unsigned char object[] __attribute__((aligned(8))) = {
            #embed "$4"
            };
            const unsigned char *const flightrec_bpf_object_data = object;
            const unsigned long flightrec_bpf_object_size = sizeof object;
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
