#include "flightrec.h"
