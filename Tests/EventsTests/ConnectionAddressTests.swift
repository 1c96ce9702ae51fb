import Events
import Testing

@Suite struct ConnectionAddressTests {
    private static let prefix: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
    private let client = Endpoint(address: [10, 0, 0, 9], port: 40_000)
    private let server = Endpoint(address: [10, 0, 0, 1], port: 80)

    private func mapped(_ endpoint: Endpoint) -> Endpoint {
        Endpoint(address: Self.prefix + endpoint.address, port: endpoint.port)
    }

    @Test func packetsOfEitherDirectionAndNoOthers() {
        let socket = SocketInfo(id: 1, container: 1, role: .served, local: server, remote: client)
        #expect(socket.carries(client, server) && socket.carries(server, client))
        #expect(!socket.carries(client, client))
        #expect(!socket.carries(Endpoint(address: client.address, port: 1), server))
    }

    @Test func aSocketForBothFamiliesCarriesIPv4() {
        let socket = SocketInfo(id: 1, container: 1, role: .served, local: mapped(server), remote: mapped(client))
        #expect(socket.carries(client, server) && socket.carries(server, client))
        #expect(mapped(server).unmapped == server && server.unmapped == server)
        let other = Endpoint(address: [0x20, 1] + Array(repeating: 0, count: 13) + [1], port: 80)
        #expect(other.unmapped == other)
    }

    @Test func aConnectingSocketHasNoPortYet() {
        let portless = Endpoint(address: client.address, port: 0)
        let socket = SocketInfo(id: 1, container: 1, role: .called, local: portless, remote: server)
        #expect(socket.carries(client, server) && socket.carries(server, client))
        #expect(!socket.carries(client, Endpoint(address: server.address, port: 81)))
    }
}
