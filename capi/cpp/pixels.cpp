#include "pixels.h"

#include <cstring>

namespace emogene_library {
namespace {

// Rec. ITU-R BT.709 with 8 bits in limited range, times 2^16 and rounded so that grey stays grey:
// the chroma rows add up to 0. Luma 219 · (0.2126, 0.7152, 0.0722) / 255; chroma 224 / 255 times the
// scaled differences.
constexpr std::int32_t kY[3] = {11966, 40254, 4064};
constexpr std::int32_t kCb[3] = {-6596, -22188, 28784};
constexpr std::int32_t kCr[3] = {28784, -26145, -2639};
constexpr std::int32_t kHalf = 1 << 15;

std::uint8_t luma(const std::uint8_t *p) noexcept {
  const std::int32_t sum = kY[0] * p[0] + kY[1] * p[1] + kY[2] * p[2];
  return static_cast<std::uint8_t>(((sum + kHalf) >> 16) + 16);
}

// Of four pixels' sums: two bits more to shift.
std::uint8_t chroma(const std::int32_t k[3], const std::int32_t sum[3]) noexcept {
  const std::int32_t scaled = k[0] * sum[0] + k[1] * sum[1] + k[2] * sum[2];
  return static_cast<std::uint8_t>(((scaled + 4 * kHalf + (128 << 18)) >> 18));
}

void to_nv12(const std::uint8_t *rgb, std::size_t size, std::uint8_t *to,
             std::size_t stride) noexcept {
  std::uint8_t *pairs = to + size * stride;
  for (std::size_t y = 0; y < size; y += 2) {
    const std::uint8_t *upper = rgb + 3 * size * y, *lower = upper + 3 * size;
    std::uint8_t *above = to + stride * y, *below = above + stride;
    for (std::size_t x = 0; x < size; ++x) above[x] = luma(upper + 3 * x);
    for (std::size_t x = 0; x < size; ++x) below[x] = luma(lower + 3 * x);
    std::uint8_t *pair = pairs + stride * (y / 2);
    for (std::size_t x = 0; x < size; x += 2) {
      const std::uint8_t *a = upper + 3 * x, *b = lower + 3 * x;
      std::int32_t sum[3];
      for (int c = 0; c < 3; ++c) sum[c] = a[c] + a[c + 3] + b[c] + b[c + 3];
      pair[x] = chroma(kCb, sum);
      pair[x + 1] = chroma(kCr, sum);
    }
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
    if (format == EMOGENE_RGB) {
      std::memcpy(line, from, row);
      continue;
    }
    for (std::size_t x = 0; x < side; ++x) {
      line[4 * x] = from[3 * x];
      line[4 * x + 1] = from[3 * x + 1];
      line[4 * x + 2] = from[3 * x + 2];
      line[4 * x + 3] = 255;
    }
  }
}

}  // namespace emogene_library
