import CLibBPF

/// The object's global variables, by name: `const volatile` ones before the load, the others live in shared memory.
struct Globals {
    private var places: [String: UnsafeMutableRawPointer] = [:]

    /// Reads the offsets from the object's BTF. Valid as long as the object is.
    init(object: OpaquePointer) {
        guard let btf = bpf_object__btf(object) else { return }
        for section in [".rodata", ".data", ".bss"] {
            var size = 0
            guard let map = bpf_object__find_map_by_name(object, section),
                let base = bpf_map__initial_value(map, &size)
            else { continue }
            let id = btf__find_by_name_kind(btf, section, FLIGHTREC_BTF_KIND_DATASEC)
            guard id > 0, let type = btf__type_by_id(btf, UInt32(id)), let variables = btf_var_secinfos(type) else {
                continue
            }
            for index in 0..<Int(btf_vlen(type)) {
                let variable = variables[index]
                guard let variableType = btf__type_by_id(btf, variable.type),
                    let name = btf__name_by_offset(btf, variableType.pointee.name_off)
                else { continue }
                places[String(cString: name)] = UnsafeMutableRawPointer(mutating: base) + Int(variable.offset)
            }
        }
    }

    func set<T: BitwiseCopyable>(_ name: String, _ value: T) {
        // A name the object lacks is our own build's mistake.
        precondition(places[name] != nil, "no BPF global \(name)")
        places[name]?.storeBytes(of: value, as: T.self)
    }

    func get<T: BitwiseCopyable>(_ name: String, as type: T.Type) -> T {
        precondition(places[name] != nil, "no BPF global \(name)")
        return places[name]!.load(as: type)
    }
}
