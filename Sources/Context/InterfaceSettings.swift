import Analysis
import CLinux
import Containers
import Glibc
import Synchronization

/// How the host's physical interfaces gather packets before they interrupt. Asked off the pump thread.
public final class InterfaceSettings: Sendable {
    private let state = Mutex<[Coalescing]>([])
    /// Interfaces kept.
    private static let most = 256

    public init() {}

    /// As it was told last; interfaces whose driver has no such settings are left out.
    public var coalescing: [Coalescing] { state.withLock { $0 } }

    /// Asks the kernel again. What it does not answer stays as it was.
    public func refresh() {
        guard let found = Self.throughNetlink() ?? Self.throughIoctl() else { return }
        state.withLock { $0 = found }
    }

    /// ETHTOOL_MSG_COALESCE_GET for all interfaces at once (Documentation/networking/ethtool-netlink.rst), since Linux 5.7.
    private static func throughNetlink() -> [Coalescing]? {
        guard let netlink = GenericNetlink(), let family = netlink.family("ethtool") else { return nil }
        let header = GenericNetlink.attribute(UInt16(ETHTOOL_A_COALESCE_HEADER) | 1 << 15, [])  // NLA_F_NESTED
        let answers = netlink.dump(family: family, command: UInt8(ETHTOOL_MSG_COALESCE_GET), header)
        return answers.map { answers in
            let physical = Set(PhysicalInterface.names())
            let found = answers.flatMap { parse($0, family: family) }.filter { physical.contains($0.interface) }
            return Array(found.prefix(most))
        }
    }

    /// The settings in one datagram of answers; those of unknown layout are left out.
    static func parse(_ datagram: [UInt8], family: UInt16) -> [Coalescing] {
        NetlinkMessages(datagram[...]).compactMap { message in
            guard message.type == family, message.payload.first == UInt8(ETHTOOL_MSG_COALESCE_GET_REPLY) else {
                return nil
            }
            var found = Coalescing(interface: "")
            for one in NetlinkAttributes(message.payload.dropFirst(4)) {
                switch Int(one.type) {
                case Int(ETHTOOL_A_COALESCE_HEADER): found.interface = name(one.payload) ?? ""
                case Int(ETHTOOL_A_COALESCE_RX_USECS): found.rxMicroseconds = one.payload.whole(UInt32.self)
                case Int(ETHTOOL_A_COALESCE_RX_MAX_FRAMES): found.rxFrames = one.payload.whole(UInt32.self)
                case Int(ETHTOOL_A_COALESCE_RX_USECS_HIGH): found.rxMicrosecondsHigh = one.payload.whole(UInt32.self)
                case Int(ETHTOOL_A_COALESCE_TX_USECS): found.txMicroseconds = one.payload.whole(UInt32.self)
                case Int(ETHTOOL_A_COALESCE_TX_MAX_FRAMES): found.txFrames = one.payload.whole(UInt32.self)
                case Int(ETHTOOL_A_COALESCE_USE_ADAPTIVE_RX):
                    found.adaptiveRX = one.payload.whole(UInt8.self).map { $0 != 0 }
                case Int(ETHTOOL_A_COALESCE_USE_ADAPTIVE_TX):
                    found.adaptiveTX = one.payload.whole(UInt8.self).map { $0 != 0 }
                default: break
                }
            }
            return found.interface.isEmpty ? nil : found
        }
    }

    private static func name(_ header: ArraySlice<UInt8>) -> String? {
        NetlinkAttributes(header).first { $0.type == UInt16(ETHTOOL_A_HEADER_DEV_NAME) }
            .map { String(decoding: $0.payload.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// SIOCETHTOOL, one interface after another, where the kernel was built without CONFIG_ETHTOOL_NETLINK.
    static func throughIoctl() -> [Coalescing]? {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return PhysicalInterface.names().prefix(most).compactMap { name in
            var raw = ethtool_coalesce()
            guard flightrec_coalesce(descriptor, name, &raw) == 0 else { return nil }
            var found = Coalescing(interface: name)
            found.rxMicroseconds = raw.rx_coalesce_usecs
            found.rxFrames = raw.rx_max_coalesced_frames
            found.rxMicrosecondsHigh = raw.rx_coalesce_usecs_high
            found.adaptiveRX = raw.use_adaptive_rx_coalesce != 0
            found.txMicroseconds = raw.tx_coalesce_usecs
            found.txFrames = raw.tx_max_coalesced_frames
            found.adaptiveTX = raw.use_adaptive_tx_coalesce != 0
            return found
        }
    }
}
