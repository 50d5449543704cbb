#include "pixels.h"

#include <cstring>

#include "pixels_rows.h"

namespace emogene_library {
namespace {

bool has_avx2() noexcept {
#if defined(__x86_64__)
  static const bool has = __builtin_cpu_supports("avx2");
  return has;
#else
  return false;
#endif
}

std::uint8_t luma(const std::uint8_t *p) noexcept {
  const std::int32_t sum = kY[0] * p[0] + kY[1] * p[1] + kY[2] * p[2];
  return static_cast<std::uint8_t>(((sum + kHalf) >> 16) + 16);
}

// Of four pixels' sums: two bits more to shift.
std::uint8_t chroma(const std::int32_t k[3], const std::int32_t sum[3]) noexcept {
  const std::int32_t scaled = k[0] * sum[0] + k[1] * sum[1] + k[2] * sum[2];
  return static_cast<std::uint8_t>(((scaled + 4 * kHalf + (128 << 18)) >> 18));
}

void rgba_row(const std::uint8_t *rgb, std::uint8_t *to, std::size_t pixels) noexcept {
  for (std::size_t x = has_avx2() ? rgba_avx2(rgb, to, pixels) : 0; x < pixels; ++x) {
    to[4 * x] = rgb[3 * x];
    to[4 * x + 1] = rgb[3 * x + 1];
    to[4 * x + 2] = rgb[3 * x + 2];
    to[4 * x + 3] = 255;
  }
}

void nv12_rows(const TwoRows &rows, std::size_t pixels) noexcept {
  for (std::size_t x = has_avx2() ? nv12_avx2(rows, pixels) : 0; x < pixels; x += 2) {
    const std::uint8_t *a = rows.upper + 3 * x, *b = rows.lower + 3 * x;
    std::int32_t sum[3];
    for (int c = 0; c < 3; ++c) sum[c] = a[c] + a[c + 3] + b[c] + b[c + 3];
    for (int k = 0; k < 2; ++k) {
      rows.above[x + k] = luma(a + 3 * k);
      rows.below[x + k] = luma(b + 3 * k);
    }
    rows.pairs[x] = chroma(kCb, sum);
    rows.pairs[x + 1] = chroma(kCr, sum);
  }
}

void to_nv12(const std::uint8_t *rgb, std::size_t size, std::uint8_t *to,
             std::size_t stride) noexcept {
  std::uint8_t *pairs = to + size * stride;
  for (std::size_t y = 0; y < size; y += 2) {
    const std::uint8_t *upper = rgb + 3 * size * y;
    std::uint8_t *above = to + stride * y;
    nv12_rows({upper, upper + 3 * size, above, above + stride, pairs + stride * (y / 2)}, size);
  }
}

}  // namespace

std::size_t row_bytes(emogene_format format, std::int32_t size) noexcept {
  const auto pixels = static_cast<std::size_t>(size);
  switch (format) {
    case EMOGENE_RGB: return 3 * pixels;
    case EMOGENE_RGBA: return 4 * pixels;
    case EMOGENE_NV12: return pixels;
  }
  return 0;
}

std::size_t image_bytes(emogene_format format, std::int32_t size, std::size_t stride) noexcept {
  if (size < 1) return 0;
  const std::size_t row = row_bytes(format, size);
  if (row == 0 || (stride != 0 && stride < row) || (format == EMOGENE_NV12 && size % 2)) return 0;
  const std::size_t rows = static_cast<std::size_t>(size) * (format == EMOGENE_NV12 ? 3 : 2) / 2;
  const std::size_t step = stride == 0 ? row : stride;
  if (step > (SIZE_MAX - row) / rows) return 0;
  return step * (rows - 1) + row;  // the last row needs no gap after it
}

void convert(const std::uint8_t *rgb, std::int32_t size, emogene_format format, std::uint8_t *to,
             std::size_t stride) noexcept {
  const auto side = static_cast<std::size_t>(size);
  const std::size_t row = row_bytes(format, size), step = stride == 0 ? row : stride;
  if (format == EMOGENE_NV12) return to_nv12(rgb, side, to, step);
  if (format == EMOGENE_RGB && step == row) {
    std::memcpy(to, rgb, row * side);
    return;
  }
  for (std::size_t y = 0; y < side; ++y) {
    const std::uint8_t *from = rgb + 3 * side * y;
    std::uint8_t *line = to + step * y;
    if (format == EMOGENE_RGB)
      std::memcpy(line, from, row);
    else
      rgba_row(from, line, side);
  }
}

}  // namespace emogene_library
