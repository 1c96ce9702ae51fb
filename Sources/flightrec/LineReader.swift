import Foundation
import Glibc
import Query

/// Lines of stdin. On a terminal with editing and history where libedit is installed (it comes with OpenSSH's client
/// and with Debian's bind9-host), else with what the terminal itself can do.
final class LineReader {
    enum Line {
        case line(String)
        /// Ctrl-C.
        case interrupted
        case end
    }

    private typealias ReadLine = @convention(c) (UnsafePointer<CChar>) -> UnsafeMutablePointer<CChar>?
    private typealias AddHistory = @convention(c) (UnsafePointer<CChar>) -> Int32

    let isInteractive = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1
    private var editor: (readLine: ReadLine, addHistory: AddHistory)?
    private var buffer: [UInt8] = []
    private var isAtEnd = false
    private let interrupt: Interrupt

    init(_ interrupt: Interrupt) {
        self.interrupt = interrupt
        // Loaded, not linked: a host without it has a prompt all the same.
        guard isInteractive, ProcessInfo.processInfo.environment["TERM"] ?? "dumb" != "dumb",
            let library = dlopen("libedit.so.2", RTLD_NOW), let readLine = dlsym(library, "readline"),
            let addHistory = dlsym(library, "add_history")
        else { return }
        editor = (unsafeBitCast(readLine, to: ReadLine.self), unsafeBitCast(addHistory, to: AddHistory.self))
    }

    func next(prompt: String) -> Line {
        interrupt.forget()
        if let editor { return edited(prompt, editor) }
        if isInteractive { Terminal.write(prompt) }
        while true {
            if let end = buffer.firstIndex(of: 10) {
                let line = String(decoding: buffer[..<end], as: UTF8.self)
                buffer.removeSubrange(...end)
                return .line(line)
            }
            if isAtEnd {
                if isInteractive { Terminal.print("") }
                guard !buffer.isEmpty else { return .end }
                defer { buffer = [] }
                return .line(String(decoding: buffer, as: UTF8.self))
            }
            var chunk = [UInt8](repeating: 0, count: 65536)
            let count = Glibc.read(STDIN_FILENO, &chunk, chunk.count)
            if count > 0 {
                buffer += chunk.prefix(count)
            } else if count < 0 && errno == EINTR {
                buffer = []
                if isInteractive { Terminal.print("") }
                return .interrupted
            } else {
                isAtEnd = true
            }
        }
    }

    private func edited(_ prompt: String, _ editor: (readLine: ReadLine, addHistory: AddHistory)) -> Line {
        guard let text = editor.readLine(prompt) else {
            Terminal.print("")
            return interrupt.isFired ? .interrupted : .end
        }
        defer { free(text) }
        if text.pointee != 0 { _ = editor.addHistory(text) }
        return .line(String(cString: text))
    }
}
