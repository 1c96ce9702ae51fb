/// How `--memory` is shared between the window and the names of sockets.
extension Recorder {
    /// What names may take of it, bytes: without its name a turn says little, but some history there must be.
    static func namesLimit(_ memory: Int) -> Int { memory / 4 * 3 }

    /// The window has what the names leave. For the slow tick.
    func shareMemory() {
        let limit = Self.namesLimit(options.memory)
        registry.bound(bytes: limit)
        window.bound(bytes: options.memory - min(registry.footprint, limit), duration: options.window)
        // The turns of a socket whose name had to go are worth nothing: its container's history begins after them. Where open sockets
        // take all the room, though, a name goes as soon as its socket closes: then most turns have theirs, and the history stays.
        for (container, until) in registry.droppedUntil where registry.mostAreClosed(container) {
            window.evict(container, before: until)
        }
        if registry.droppedOpen > 0, !saidUnnamed {
            saidUnnamed = true
            logger.warning(
                "more sockets are open than --memory has room for the names of: turns of the oldest have none; raise --memory"
            )
        }
    }
}
