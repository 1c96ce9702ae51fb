import Analysis
import CLinux
import Containers
import Events
import Glibc
import Testing

@testable import Recorder

private let second: UInt64 = 1_000_000_000

@Suite struct SelectionTests {
    private let choices = [RecorderOptions.Choice(pattern: "web-*", rule: nil)]

    private func decide(_ selection: inout Selection, _ container: ContainerKey, _ watch: Bool, at: Instant = 0) {
        _ = selection.note(ContainerDecision(container: container, watch: watch, rule: nil), at: at)
    }

    @Test func whoIsActiveIsNotForgottenHoweverManyCome() {
        var selection = Selection(choices)
        decide(&selection, 1, true)
        decide(&selection, 2, false)
        decide(&selection, 3, true)
        for other in 10..<80_000 as Range<UInt64> {
            decide(&selection, other, false)
            if other % 1000 == 0 { _ = selection.recall([1, 2], since: 0, at: 0) }
        }
        #expect(selection.verdict(1) == .wanted && selection.verdict(2) == .unwanted)
        #expect(selection.verdict(3) == .undecided && selection.verdict(79_999) == .unwanted)
        #expect(selection.known.count <= ContainerRules.remembered && selection.known.contains(1))
        // Connections that were open all along tell of it now: it is decided anew.
        #expect(selection.recall([1, 3, 0], since: 0, at: 0).undecided == [3])
    }

    @Test func allDecidedAnewAtOnceAreStillKnown() {
        var selection = Selection(choices)
        for round in 0...2 {
            for container in 1..<12_000 as Range<UInt64> { decide(&selection, container, round != 2) }
        }
        #expect(selection.known.count == 11_999)
        #expect((1..<12_000 as Range<UInt64>).allSatisfy { selection.verdict($0) == .unwanted })
    }

    @Test func theKernelIsToldAgainWhereItForgot() {
        var selection = Selection(choices)
        decide(&selection, 1, true, at: second)
        decide(&selection, 2, false, at: second)
        decide(&selection, 3, false, at: second)
        // What was on its way while it was told.
        #expect(selection.recall([1, 2], since: 2 * second, at: 3 * second).untold == [])
        #expect(selection.recall([1, 2], since: 5 * second, at: 6 * second).untold == [2])
        #expect(selection.recall([1, 2], since: 6 * second, at: 7 * second).untold == [])
        #expect(selection.recall([1, 2], since: 9 * second, at: 10 * second).untold == [2])
        // Very many: some at the next look.
        for container in 100..<1100 as Range<UInt64> { decide(&selection, container, false, at: second) }
        var told: Set<UInt64> = []
        for look in 20..<24 as Range<UInt64> {
            let untold = selection.recall(Set(100..<1100), since: look * second, at: look * second).untold
            #expect(untold.count <= Selection.mostUntold && told.isDisjoint(with: untold))
            told.formUnion(untold)
            if look == 22 { break }
        }
        #expect(told.count == 3 * Selection.mostUntold)
    }

    @Test func withoutAFilterNothingIsDecided() {
        var selection = Selection([])
        let again = selection.recall([1, 2], since: 9 * second, at: 9 * second)
        #expect(again.undecided.isEmpty && again.untold.isEmpty && selection.has(1))
    }

    @Test func aForgottenContainerIsDecidedOnceMore() async throws {
        let wake = eventfd(0, Int32(EFD_NONBLOCK))
        defer { close(wake) }
        let rules = ContainerRules(choices, ContainerResolver(), wake: wake)
        // The host, whose name is known at once.
        func decisions() async throws -> Int {
            var count = 0
            for _ in 0..<40 where count == 0 {
                try await Task.sleep(nanoseconds: 50_000_000)
                count += rules.take().filter { $0.container == 0 }.count
            }
            return count
        }
        rules.noteContainer(0)
        #expect(try await decisions() == 1)
        rules.noteContainer(0)
        rules.noteForgotten(0)
        #expect(try await decisions() == 1)
    }
}
