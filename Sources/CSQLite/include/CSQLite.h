#pragma once
/* What of SQLite's C interface does not import into Swift, and the two structs a virtual table module extends. */
#include <sqlite3.h>

struct flightrec_vtab {
	sqlite3_vtab base;
	void *table; /* retained */
};

struct flightrec_cursor {
	sqlite3_vtab_cursor base;
	void *scan; /* retained */
};

/* Variadic: defensive, no trusted schema, no triggers, no views but TEMP ones, no extensions, no double-quoted strings. */
int flightrec_harden(sqlite3 *db);
/* Variadic; within xConnect: the table is not for views and triggers of a schema. */
int flightrec_direct_only(sqlite3 *db);
/* SQLITE_TRANSIENT is a cast. */
void flightrec_result_text(sqlite3_context *context, const char *text, int length);
int flightrec_bind_text(sqlite3_stmt *statement, int index, const char *text, int length);
/* sqlite3_mprintf is variadic; for zErrMsg, which SQLite frees. */
char *flightrec_message(const char *text);
/* For a pointer to no characters. */
static const char *const flightrec_empty = "";
