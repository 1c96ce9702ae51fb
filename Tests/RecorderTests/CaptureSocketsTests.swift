import CFlightrec
import Events
import Testing

@testable import Recorder

@Suite struct CaptureSocketsTests {
    private func socket(
        _ id: UInt32, _ local: UInt8, _ port: UInt16, to remote: UInt8, _ remotePort: UInt16, family: UInt16 = 2,
        sequence: (UInt32, UInt32)? = nil
    ) -> fr_socket {
        var socket = fr_socket()
        socket.h.socket = id
        socket.family = family
        socket.local.0 = 10
        socket.remote.0 = 10
        if family == 10 {
            (socket.local.15, socket.remote.15) = (local, remote)
        } else {
            (socket.local.3, socket.remote.3) = (local, remote)
            // What lies behind an IPv4 address says nothing.
            socket.local.9 = UInt8(truncatingIfNeeded: id)
        }
        (socket.local_port, socket.remote_port) = (port, remotePort)
        if let sequence { (socket.established, socket.write_seq, socket.rcv_nxt) = (1, sequence.0, sequence.1) }
        return socket
    }

    private func named(_ all: [fr_socket], heard: Set<UInt32>) -> [UInt32] {
        CaptureSockets.named(all, heard: heard).map(\.h.socket)
    }

    @Test func theOtherEndIsNamedThoughNothingWasHeardOfIt() {
        let client = socket(1, 1, 4000, to: 9, 80, sequence: (5, 7))
        let all = [
            client, socket(2, 2, 8080, to: 1, 4000, sequence: (7, 5)),
            socket(3, 2, 8080, to: 1, 4001, sequence: (8, 5)),
            // Alike by its addresses, but its numbers say that it is another's.
            socket(4, 9, 80, to: 1, 4000, sequence: (1, 2)),
        ]
        #expect(named(all, heard: [1]) == [1, 2], "through NAT too")
        #expect(named(all, heard: [2]) == [1, 2])
        #expect(named(all, heard: []) == [])
    }

    @Test(arguments: [2, 10] as [UInt16]) func withoutSequenceNumbersAddressesTell(family: UInt16) {
        let known = socket(1, 1, 4000, to: 2, 80, family: family, sequence: (5, 7))
        let old = socket(2, 2, 80, to: 1, 4000, family: family)
        let alike = socket(3, 2, 80, to: 1, 4000, family: family)
        let other = socket(4, 2, 80, to: 3, 4000, family: family)
        #expect(named([known, old, other], heard: [1]) == [1, 2])
        #expect(named([known, old, other], heard: [2]) == [1, 2])
        // Which of two it is can't be told only while both are there.
        #expect(named([known, old, alike, other], heard: [1]) == [1, 2, 3])
    }
}
