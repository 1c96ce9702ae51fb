import CaptureSchema

/// The SQL of the format, from `schema/`.
enum Schema {
    /// "FLTR": what `application_id` of every capture says.
    static let applicationID: UInt32 = 0x464c_5452

    /// The numbered files in order; a capture of version n is made by the first n of them.
    static let migrations: [String] = [
        String(
            decoding: UnsafeRawBufferPointer(start: flightrec_schema_001_text(), count: Int(flightrec_schema_001_size)),
            as: UTF8.self)
    ]

    /// What `user_version` of a capture written now says.
    static var version: UInt32 { UInt32(migrations.count) }

}
