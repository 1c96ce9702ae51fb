import Foundation
import Glibc
import Report

/// The live screen of `top`: the terminal's alternate one, given back however it ends.
struct TopScreen {
    private var order: TopOrder
    private let interval: UInt64
    private let look: (TopOrder) throws -> TopView
    private var first = 0
    private var isHeld = false
    /// Why there is nothing new.
    private var problem: String?

    /// `interval` in ns. `look` asks the recorder; what it throws at the first look ends this, later it is shown.
    init(order: TopOrder, interval: UInt64, look: @escaping (TopOrder) throws -> TopView) {
        self.order = order
        self.interval = interval
        self.look = look
    }

    /// Runs until q, Ctrl-C or a signal.
    mutating func run() throws {
        var view = try look(order)
        let terminal = RawTerminal()
        defer { terminal.restore() }
        var next = Self.now() + interval
        while !RawTerminal.isEnded {
            draw(view)
            while !RawTerminal.isEnded {
                let now = Self.now()
                if now >= next { break }
                guard let key = terminal.key(within: next - now) else {
                    // A resize, or the time has passed.
                    if RawTerminal.takeResize() { draw(view) }
                    continue
                }
                guard handle(key, &view) else { return }
                draw(view)
            }
            next = Self.now() + interval
            guard !isHeld else { continue }
            do {
                view = try look(order)
                problem = nil
            } catch let error as Failure {
                problem = error.message
            }
        }
    }

    /// False: quit.
    private mutating func handle(_ key: RawTerminal.Key, _ view: inout TopView) -> Bool {
        let page = max(1, Terminal.height - 6)
        switch key {
        case .character("q"), .character("\u{3}"), .character("\u{4}"): return false
        case .character("t"): order = .turns
        case .character("p"): order = .p99
        case .character("m"): order = .max
        case .character("r"): order = .retransmits
        case .character("n"): order = .name
        case .character(" "): isHeld.toggle()
        case .up, .character("k"): first -= 1
        case .down, .character("j"): first += 1
        case .pageUp: first -= page
        case .pageDown: first += page
        case .home, .character("g"): first = 0
        case .end, .character("G"): first = view.rows.count
        case .character, .other: break
        }
        view.sort(by: order)
        first = max(0, min(first, view.rows.count - page))
        return true
    }

    private func draw(_ view: TopView) {
        let footer =
            problem ?? (isHeld ? "HELD, space goes on  " : "") + "sort: t turns  p p99  m max  r retr  n name   q quit"
        let lines = TopReport(view, order: order, style: Terminal.style)
            .screen(height: Terminal.height, first: first, footer: footer)
        // Line by line over the old ones, without clearing first: that would flicker (ECMA-48: CUP, EL, ED).
        let text = lines.map { $0 + "\u{1b}[K" }.joined(separator: "\r\n")
        Terminal.write("\u{1b}[H" + text + "\u{1b}[J")
    }

    private static func now() -> UInt64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    }
}
