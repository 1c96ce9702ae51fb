import Glibc
import Synchronization

/// A terminal that gives single keys, on its alternate screen. One at a time.
final class RawTerminal {
    enum Key: Equatable {
        case character(Character)
        case up, down, pageUp, pageDown, home, end
        /// A sequence of no use here.
        case other
    }

    private static let ended = Atomic(false)
    private static let resized = Atomic(false)
    private var before = termios()
    private let isRaw: Bool

    init() {
        isRaw = tcgetattr(STDIN_FILENO, &before) == 0
        if isRaw {
            var raw = before
            // Keys at once and unseen; Ctrl-C stays a signal.
            raw.c_lflag &= ~tcflag_t(ICANON | ECHO)
            tcsetattr(STDIN_FILENO, TCSADRAIN, &raw)
        }
        Self.catchSignals()
        // The alternate screen without a cursor, lines cut at the edge (xterm: 1049, 25, 7).
        Terminal.write("\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l\u{1b}[2J")
    }

    func restore() {
        Terminal.write("\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l")
        if isRaw { tcsetattr(STDIN_FILENO, TCSADRAIN, &before) }
    }

    /// A signal asked for the end, or the terminal went away.
    static var isEnded: Bool { ended.load(ordering: .relaxed) }

    /// Whether the size changed since the last call.
    static func takeResize() -> Bool { resized.exchange(false, ordering: .relaxed) }

    private static func catchSignals() {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { signal in
            if signal == SIGWINCH {
                RawTerminal.resized.store(true, ordering: .relaxed)
            } else {
                RawTerminal.ended.store(true, ordering: .relaxed)
            }
        }
        for signal in [SIGWINCH, SIGINT, SIGTERM, SIGHUP] { sigaction(signal, &action, nil) }
    }

    /// Waits for a key; `nil`: none came in time, or a signal did. `time` in ns.
    func key(within time: UInt64) -> Key? {
        var ready = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        // A signal between a look at the flags and poll is seen a tenth of a second later.
        guard poll(&ready, 1, Int32(min(time / 1_000_000 + 1, 100))) > 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: 32)
        let count = read(STDIN_FILENO, &bytes, bytes.count)
        guard count > 0 else {
            Self.ended.store(true, ordering: .relaxed)
            return nil
        }
        let text = String(decoding: bytes.prefix(count), as: UTF8.self)
        guard text.first == "\u{1b}", count > 1 else { return text.first.map { .character($0) } }
        return Self.sequences[String(text.dropFirst())] ?? .other
    }

    /// What terminals send for keys, after ESC (xterm, both cursor modes; Linux console).
    private static let sequences: [String: Key] = [
        "[A": .up, "OA": .up, "[B": .down, "OB": .down, "[5~": .pageUp, "[6~": .pageDown, "[H": .home, "OH": .home,
        "[1~": .home, "[F": .end, "OF": .end, "[4~": .end,
    ]
}
