#include "CSQLite.h"

int flightrec_harden(sqlite3 *db)
{
	static const struct {
		int option, value;
	} settings[] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },
		{ SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },
		{ SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
		{ SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
		{ SQLITE_DBCONFIG_DQS_DDL, 0 },
		{ SQLITE_DBCONFIG_DQS_DML, 0 },
	};
	for (unsigned i = 0; i < sizeof settings / sizeof settings[0]; i++) {
		int code = sqlite3_db_config(db, settings[i].option, settings[i].value, (int *)0);
		if (code != SQLITE_OK)
			return code;
	}
	return SQLITE_OK;
}

int flightrec_direct_only(sqlite3 *db) { return sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY); }

void flightrec_result_text(sqlite3_context *context, const char *text, int length)
{
	sqlite3_result_text(context, text, length, SQLITE_TRANSIENT);
}

int flightrec_bind_text(sqlite3_stmt *statement, int index, const char *text, int length)
{
	return sqlite3_bind_text(statement, index, text, length, SQLITE_TRANSIENT);
}

char *flightrec_message(const char *text) { return sqlite3_mprintf("%s", text); }
