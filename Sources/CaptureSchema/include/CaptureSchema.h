#pragma once
/* The capture's SQL, embedded from schema/ at build time: the files there are its only source.
 * The text ends with a zero byte that its size does not count. */
const char *flightrec_schema_001_text(void);
extern const unsigned long flightrec_schema_001_size;
const char *flightrec_schema_002_text(void);
extern const unsigned long flightrec_schema_002_size;
const char *flightrec_schema_003_text(void);
extern const unsigned long flightrec_schema_003_size;
const char *flightrec_schema_004_text(void);
extern const unsigned long flightrec_schema_004_size;
const char *flightrec_schema_005_text(void);
extern const unsigned long flightrec_schema_005_size;
