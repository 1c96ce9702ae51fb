import ArgumentParser
import Foundation
import Glibc

struct ServiceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "service", abstract: "Run the recorder as a systemd service.", subcommands: [UnitCommand.self])

    struct UnitCommand: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "unit", abstract: "Print the unit file.",
            discussion: """
                The service runs as a user of its own with four capabilities; the unit says what each is for. Options go into \
                /etc/flightrec.conf; `systemctl reload flightrec` reads them again and keeps the history.

                EXAMPLES:
                  sudo install -m 755 .build/release/flightrec /usr/local/bin/flightrec
                  flightrec service unit | sudo tee /etc/systemd/system/flightrec.service
                  sudo systemctl daemon-reload && sudo systemctl enable --now flightrec
                """)

        @Option(help: "Where the program will be.") var path = "/usr/local/bin/flightrec"

        func validate() throws {
            guard path.hasPrefix("/"), !path.contains(where: { $0.isWhitespace || "\"'\\%$".contains($0) }) else {
                throw ValidationError("--path must be absolute, without blanks and what systemd takes for its own")
            }
        }

        func run() { Terminal.print(unit(path: path)) }
    }
}

/// The unit. What its comments say is lost without a capability is what Tests/live/service.test sees lost.
private func unit(path: String) -> String {
    """
    # Printed by `flightrec service unit`: systemd.service(5), systemd.exec(5).
    [Unit]
    Description=flightrec, a flight recorder for container latency
    StartLimitIntervalSec=60
    StartLimitBurst=5

    [Service]
    Type=notify
    ExecStart=\(path) record
    ExecReload=/bin/kill -HUP $MAINPID
    Restart=on-failure
    RestartSec=2
    # The pump gives a sign of life every 5 s.
    WatchdogSec=10
    # What is being captured is finished first.
    TimeoutStopSec=60

    # A user of its own; its captures are in /var/lib/flightrec.
    DynamicUser=yes
    StateDirectory=flightrec
    StateDirectoryMode=0700
    UMask=0077

    # CAP_BPF: loads the probes. Without it: nothing works.
    # CAP_PERFMON: they read the kernel's structures and attach to its tracepoints. Without it: nothing works.
    # CAP_SYSLOG: addresses in /proc/kallsyms. Without it: kernel stacks have no names.
    # CAP_DAC_READ_SEARCH: the runtimes' state below /var/lib/docker and the like. Without it: containers have ids for names.
    CapabilityBoundingSet=CAP_BPF CAP_PERFMON CAP_SYSLOG CAP_DAC_READ_SEARCH
    AmbientCapabilities=CAP_BPF CAP_PERFMON CAP_SYSLOG CAP_DAC_READ_SEARCH
    # Docker's socket names containers that live only for a moment, too. Who may use it is as good as root, so it is left out:
    #SupplementaryGroups=docker

    NoNewPrivileges=yes
    ProtectSystem=strict
    # Read-only, not away: rootless containers' names are there.
    ProtectHome=read-only
    PrivateTmp=yes
    PrivateDevices=yes
    ProtectClock=yes
    ProtectControlGroups=yes
    ProtectHostname=yes
    ProtectKernelModules=yes
    # Not ProtectKernelLogs=, which takes CAP_SYSLOG, nor ProtectKernelTunables=, which hides /proc/kallsyms:
    ReadOnlyPaths=/proc/sys /sys
    LockPersonality=yes
    MemoryDenyWriteExecute=yes
    RestrictNamespaces=yes
    RestrictRealtime=yes
    RestrictSUIDSGID=yes
    # Netlink: settings of interfaces. IP: the same where netlink has none, and `metrics`.
    RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6
    SystemCallArchitectures=native
    SystemCallFilter=@system-service bpf perf_event_open
    SystemCallErrorNumber=EPERM
    # Files of every busy container stay open.
    LimitNOFILE=16384

    [Install]
    WantedBy=multi-user.target
    """
}
