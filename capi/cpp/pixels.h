// (size, size, 3) RGB into the formats of emogene.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../include/emogene.h"

namespace emogene_library {

// Bytes of a row; 0 for an unknown format.
std::size_t row_bytes(emogene_format format, std::int32_t size) noexcept;

// As emogene_image_bytes.
std::size_t image_bytes(emogene_format format, std::int32_t size, std::size_t stride) noexcept;

// Writes image_bytes(format, size, stride) bytes at `to`, gaps left as they are.
void convert(const std::uint8_t *rgb, std::int32_t size, emogene_format format, std::uint8_t *to,
             std::size_t stride) noexcept;

}  // namespace emogene_library
