// y4m, which players and encoders read from a pipe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <emogene.hpp>

std::string y4m_header(int size);

// "FRAME" and the planes Y, Cb, Cr of an NV12 picture, whose chroma comes in pairs.
void append_y4m(emogene::view<const std::uint8_t> nv12, int size, std::vector<std::uint8_t> &to);
