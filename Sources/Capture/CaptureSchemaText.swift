/// The SQL that makes a capture's tables, for who makes the same tables elsewhere.
package enum CaptureSchemaText {
    package static var all: String { Schema.migrations.joined(separator: "\n") }
}
