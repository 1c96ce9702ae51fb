import Events

/// What a container is called of which nothing but its key is known.
package func containerLabel(_ key: ContainerKey) -> String {
    if key == 0 { return "host" }
    return key >> 63 == 1 ? "netns \(key & ~(1 << 63))" : "cgroup \(key)"
}
