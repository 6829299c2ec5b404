/* The ring as an object file, which Burnish links and puts into a process that it attaches to: code and nothing else. */
#include "record_ring.h"
