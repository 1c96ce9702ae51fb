import Foundation
import Glibc
import Report

/// What stdout is, and writing to it without breaking a pipe.
enum Terminal {
    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    /// Columns of the terminal; `COLUMNS` when set; 80 otherwise.
    static var width: Int {
        if let text = ProcessInfo.processInfo.environment["COLUMNS"], let columns = Int(text), columns >= 40 {
            return min(columns, 400)
        }
        var size = winsize()
        if ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col >= 40 { return Int(size.ws_col) }
        return 80
    }

    /// Rows of the terminal; 24 when there is none.
    static var height: Int {
        var size = winsize()
        return ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_row >= 8 ? Int(size.ws_row) : 24
    }

    /// https://no-color.org
    static var style: Style {
        let environment = ProcessInfo.processInfo.environment
        let locale = environment["LC_ALL"] ?? environment["LC_CTYPE"] ?? environment["LANG"] ?? "C.UTF-8"
        return Style(
            color: isTerminal && (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb", width: width,
            utf8: locale.uppercased().contains("UTF-8") || locale.uppercased().contains("UTF8"))
    }

    /// A reader that went away (`flightrec show | head`) ends us quietly, as SIGPIPE would.
    static func print(_ text: String) { write(text + "\n") }

    /// The same without a line break.
    static func write(_ text: String) {
        var text = text
        text.withUTF8 { write(UnsafeRawBufferPointer($0)) }
    }

    static func write(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = Glibc.write(STDOUT_FILENO, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if written > 0 {
                rest = rest.dropFirst(written)
            } else if errno != EINTR {
                exit(errno == EPIPE ? 0 : 1)
            }
        }
    }

    /// On stderr. What it says may be of a file's or a container's making.
    static func complain(_ text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { Sanitizer.clean(String($0)) }
        say("flightrec: " + lines.joined(separator: "\n"))
    }

    /// A line on stderr; where that can't be written, nobody is to be told.
    static func say(_ line: String) {
        var rest = Array((line + "\n").utf8)[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
            if written > 0 {
                rest = rest.dropFirst(written)
            } else if errno != EINTR {
                return
            }
        }
    }

    /// Descriptors 0 to 2 that are closed become /dev/null: the next file opened would be one of them, and get what is printed.
    static func openStandardDescriptors() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest that is free: this one.
            _ = open("/dev/null", O_RDWR)
        }
    }
}

/// Exit codes scripts rely on.
enum Exit {
    static let failed: Int32 = 1
    static let usage: Int32 = 2
    static let nothing: Int32 = 3
    static let privilege: Int32 = 4
    static let unsupported: Int32 = 5
}
