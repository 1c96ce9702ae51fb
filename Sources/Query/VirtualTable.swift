import CSQLite

/// An event table as SQLite sees it: read-only, without storage, made by nobody (an eponymous virtual table).
/// See sqlite.org/vtab.html.
final class VirtualTable {
    private let table: any Table
    private let capture: CaptureEvents
    private let columns: [ColumnFact]

    private init(_ table: any Table, _ capture: CaptureEvents) {
        self.table = table
        self.capture = capture
        columns = table.columnFacts
    }

    /// Makes `table` known to `db` by its name; returns SQLite's result code.
    static func register(_ table: any Table, of capture: CaptureEvents, in db: OpaquePointer) -> Int32 {
        let context = Unmanaged.passRetained(VirtualTable(table, capture)).toOpaque()
        return sqlite3_create_module_v2(db, table.name, module, context) { context in
            if let context { Unmanaged<VirtualTable>.fromOpaque(context).release() }
        }
    }

    /// For all tables of the process; SQLite keeps the pointer.
    private nonisolated(unsafe) static let module: UnsafeMutablePointer<sqlite3_module> = {
        let module = UnsafeMutablePointer<sqlite3_module>.allocate(capacity: 1)
        var methods = sqlite3_module()
        // Without xCreate it exists under its module's name, and only there.
        methods.xConnect = { db, context, _, _, result, message in connect(db, context, result, message) }
        methods.xBestIndex = { table, plan in bestIndex(table, plan) }
        methods.xDisconnect = { table in
            table?.withMemoryRebound(to: flightrec_vtab.self, capacity: 1) { own in
                Unmanaged<VirtualTable>.fromOpaque(own.pointee.table).release()
                own.deallocate()
            }
            return SQLITE_OK
        }
        methods.xOpen = { _, result in
            let cursor = UnsafeMutablePointer<flightrec_cursor>.allocate(capacity: 1)
            cursor.initialize(to: flightrec_cursor())
            cursor.withMemoryRebound(to: sqlite3_vtab_cursor.self, capacity: 1) { result?.pointee = $0 }
            return SQLITE_OK
        }
        methods.xClose = { cursor in
            cursor?.withMemoryRebound(to: flightrec_cursor.self, capacity: 1) { own in
                if let scan = own.pointee.scan { Unmanaged<Cursor>.fromOpaque(scan).release() }
                own.deallocate()
            }
            return SQLITE_OK
        }
        methods.xFilter = { cursor, _, plan, count, values in filter(cursor, plan, count, values) }
        methods.xNext = { cursor in step(cursor) }
        methods.xEof = { cursor in own(cursor).map { $0.isDone ? 1 : 0 } ?? 1 }
        methods.xColumn = { cursor, context, index in
            if let scan = own(cursor)?.scan { give(scan.value(Int(index)), to: context) }
            return SQLITE_OK
        }
        methods.xRowid = { cursor, rowid in
            rowid?.pointee = own(cursor)?.scan.rowID ?? 0
            return SQLITE_OK
        }
        module.initialize(to: methods)
        return module
    }()

    /// A cursor's state.
    private final class Cursor {
        let scan: any Scan
        var isDone = false

        init(_ scan: any Scan) { self.scan = scan }
    }

    private static func own(_ cursor: UnsafeMutablePointer<sqlite3_vtab_cursor>?) -> Cursor? {
        cursor?.withMemoryRebound(to: flightrec_cursor.self, capacity: 1) { own in
            own.pointee.scan.map { Unmanaged<Cursor>.fromOpaque($0).takeUnretainedValue() }
        }
    }

    private static func own(_ table: UnsafeMutablePointer<sqlite3_vtab>?) -> VirtualTable? {
        table?.withMemoryRebound(to: flightrec_vtab.self, capacity: 1) { own in
            Unmanaged<VirtualTable>.fromOpaque(own.pointee.table).takeUnretainedValue()
        }
    }

    private static func connect(
        _ db: OpaquePointer?, _ context: UnsafeMutableRawPointer?,
        _ result: UnsafeMutablePointer<UnsafeMutablePointer<sqlite3_vtab>?>?,
        _ message: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
    ) -> Int32 {
        guard let context else { return SQLITE_MISUSE }
        let table = Unmanaged<VirtualTable>.fromOpaque(context)
        var code = sqlite3_declare_vtab(db, table.takeUnretainedValue().table.declaration(hidden: true))
        if code == SQLITE_OK { code = flightrec_direct_only(db) }
        guard code == SQLITE_OK else {
            message?.pointee = flightrec_message(String(cString: sqlite3_errmsg(db)))
            return code
        }
        let own = UnsafeMutablePointer<flightrec_vtab>.allocate(capacity: 1)
        own.initialize(to: flightrec_vtab(base: sqlite3_vtab(), table: table.retain().toOpaque()))
        own.withMemoryRebound(to: sqlite3_vtab.self, capacity: 1) { result?.pointee = $0 }
        return SQLITE_OK
    }

    /// Takes every constraint that could pass blocks over; SQLite checks the rows itself all the same. The plan is
    /// `column:operator` for each, apart by commas.
    private static func bestIndex(
        _ table: UnsafeMutablePointer<sqlite3_vtab>?, _ plan: UnsafeMutablePointer<sqlite3_index_info>?
    ) -> Int32 {
        guard let own = own(table), let plan else { return SQLITE_MISUSE }
        var taken: [String] = []
        var cost = own.estimatedRows
        for index in 0..<Int(plan.pointee.nConstraint) {
            let constraint = plan.pointee.aConstraint[index]
            let column = Int(constraint.iColumn)
            guard constraint.usable != 0, own.columns.indices.contains(column), own.columns[column].prune != nil,
                let comparison = Constraint.Operator(rawValue: constraint.op)
            else { continue }
            if own.columns[column].type == "TEXT", comparison != .like, comparison != .glob {
                // In another collation bytes say nothing about order.
                guard let name = sqlite3_vtab_collation(plan, Int32(index)), String(cString: name) == "BINARY" else {
                    continue
                }
            }
            taken.append("\(column):\(comparison.rawValue)")
            plan.pointee.aConstraintUsage[index].argvIndex = Int32(taken.count)
            cost /= comparison == .equal ? 20 : 3
        }
        plan.pointee.estimatedCost = max(cost, 1)
        plan.pointee.estimatedRows = sqlite3_int64(max(cost, 1))
        plan.pointee.idxStr = flightrec_message(taken.joined(separator: ","))
        plan.pointee.needToFreeIdxStr = 1
        return plan.pointee.idxStr == nil ? SQLITE_NOMEM : SQLITE_OK
    }

    private var estimatedRows: Double {
        let blocks = capture.blocks.filter { table.kinds.contains($0.kind) }
        return Double(blocks.reduce(0) { $0 + $1.count }) + 10
    }

    private static func filter(
        _ cursor: UnsafeMutablePointer<sqlite3_vtab_cursor>?, _ plan: UnsafePointer<CChar>?, _ count: Int32,
        _ values: UnsafeMutablePointer<OpaquePointer?>?
    ) -> Int32 {
        guard let cursor, let table = own(cursor.pointee.pVtab) else { return SQLITE_MISUSE }
        var constraints: [Constraint] = []
        for (index, part) in String(cString: plan ?? flightrec_empty).split(separator: ",").enumerated() {
            let fields = part.split(separator: ":")
            guard index < count, fields.count == 2, let column = Int(fields[0]), let number = UInt8(fields[1]),
                let comparison = Constraint.Operator(rawValue: number)
            else { return SQLITE_INTERNAL }
            constraints.append(
                Constraint(column: column, comparison: comparison, value: Value(sqlite: values?[index])))
        }
        let state = Cursor(table.table.scan(table.capture, constraints))
        cursor.withMemoryRebound(to: flightrec_cursor.self, capacity: 1) { own in
            if let old = own.pointee.scan { Unmanaged<Cursor>.fromOpaque(old).release() }
            own.pointee.scan = Unmanaged.passRetained(state).toOpaque()
        }
        return step(cursor)
    }

    private static func step(_ cursor: UnsafeMutablePointer<sqlite3_vtab_cursor>?) -> Int32 {
        guard let cursor, let state = own(cursor) else { return SQLITE_MISUSE }
        do {
            state.isDone = try !state.scan.advance()
            return SQLITE_OK
        } catch is Interruption {
            return SQLITE_INTERRUPT
        } catch {
            let table = cursor.pointee.pVtab
            sqlite3_free(table?.pointee.zErrMsg)
            table?.pointee.zErrMsg = flightrec_message("\(error)")
            return SQLITE_CORRUPT
        }
    }

    private static func give(_ value: Value, to context: OpaquePointer?) {
        switch value {
        case .null: sqlite3_result_null(context)
        case .integer(let number): sqlite3_result_int64(context, number)
        case .real(let number): sqlite3_result_double(context, number)
        case .text(var text):
            text.withUTF8 { bytes in
                bytes.withMemoryRebound(to: CChar.self) { bytes in
                    flightrec_result_text(context, bytes.baseAddress ?? flightrec_empty, Int32(bytes.count))
                }
            }
        case .blob: sqlite3_result_null(context)
        }
    }
}

extension Value {
    /// From an argument of xFilter.
    fileprivate init(sqlite value: OpaquePointer?) {
        switch sqlite3_value_type(value) {
        case SQLITE_INTEGER: self = .integer(sqlite3_value_int64(value))
        case SQLITE_FLOAT: self = .real(sqlite3_value_double(value))
        case SQLITE_TEXT:
            let bytes = UnsafeRawBufferPointer(start: sqlite3_value_text(value), count: Int(sqlite3_value_bytes(value)))
            self = .text(String(decoding: bytes, as: UTF8.self))
        case SQLITE_BLOB:
            let bytes = UnsafeRawBufferPointer(start: sqlite3_value_blob(value), count: Int(sqlite3_value_bytes(value)))
            self = .blob(Array(bytes))
        default: self = .null
        }
    }
}
