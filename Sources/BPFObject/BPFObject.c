#include "BPFObject.h"
