import CaptureSchema

/// The SQL of the format, from `schema/`.
enum Schema {
    /// "FLTR": what `application_id` of every capture says.
    static let applicationID: UInt32 = 0x464c_5452

    /// The numbered files in order; a capture of version n is made by the first n of them.
    static let migrations: [String] = [
        text(flightrec_schema_001_text(), flightrec_schema_001_size),
        text(flightrec_schema_002_text(), flightrec_schema_002_size),
        text(flightrec_schema_003_text(), flightrec_schema_003_size),
        text(flightrec_schema_004_text(), flightrec_schema_004_size),
        text(flightrec_schema_005_text(), flightrec_schema_005_size),
    ]

    private static func text(_ start: UnsafePointer<CChar>, _ size: UInt) -> String {
        String(decoding: UnsafeRawBufferPointer(start: start, count: Int(size)), as: UTF8.self)
    }

    /// What `user_version` of a capture written now says.
    static var version: UInt32 { UInt32(migrations.count) }
}
