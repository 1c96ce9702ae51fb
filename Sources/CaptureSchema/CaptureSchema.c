#include "CaptureSchema.h"

/* A terminating zero follows the file's bytes, so that the text is a C string too. */
static const char schema_001[] = {
#embed "../../schema/001-capture.sql"
	, 0
};

const char *flightrec_schema_001_text(void) { return schema_001; }
const unsigned long flightrec_schema_001_size = sizeof schema_001 - 1;

static const char schema_002[] = {
#embed "../../schema/002-findings.sql"
	, 0
};

const char *flightrec_schema_002_text(void) { return schema_002; }
const unsigned long flightrec_schema_002_size = sizeof schema_002 - 1;

static const char schema_003[] = {
#embed "../../schema/003-timed.sql"
	, 0
};

const char *flightrec_schema_003_text(void) { return schema_003; }
const unsigned long flightrec_schema_003_size = sizeof schema_003 - 1;

static const char schema_004[] = {
#embed "../../schema/004-gap-container.sql"
	, 0
};

const char *flightrec_schema_004_text(void) { return schema_004; }
const unsigned long flightrec_schema_004_size = sizeof schema_004 - 1;

static const char schema_005[] = {
#embed "../../schema/005-stolen.sql"
	, 0
};

const char *flightrec_schema_005_text(void) { return schema_005; }
const unsigned long flightrec_schema_005_size = sizeof schema_005 - 1;
