// One client: its speech in, its pictures out.
#pragma once

#include <emogene.hpp>

// Reads 16 kHz mono s16le from `socket` until the client shuts its side down, and writes y4m to it
// as frames come. Returns the number of frames; a client that goes away just ends it. Throws
// emogene::error.
long serve(int socket, emogene::session session);
