// Rows of RGB into rows of other formats, several pixels at a time.
#pragma once

#include <cstddef>
#include <cstdint>

namespace emogene_library {

// Rec. ITU-R BT.709 with 8 bits in limited range, times 2^16 and rounded so that grey stays grey:
// the chroma rows add up to 0. Luma 219 · (0.2126, 0.7152, 0.0722) / 255; chroma 224 / 255 times the
// scaled differences.
constexpr std::int32_t kY[3] = {11966, 40254, 4064};
constexpr std::int32_t kCb[3] = {-6596, -22188, 28784};
constexpr std::int32_t kCr[3] = {28784, -26145, -2639};
constexpr std::int32_t kHalf = 1 << 15;

// Two rows of RGB, and where their luma and their Cb, Cr pairs belong.
struct TwoRows {
  const std::uint8_t *upper, *lower;
  std::uint8_t *above, *below, *pairs;
};

// Each converts the rows' first pixels and returns how many: what is left at the end, or all of them
// where the compiler had no AVX2, is for the plain loops.
std::size_t rgba_avx2(const std::uint8_t *rgb, std::uint8_t *to, std::size_t pixels) noexcept;
std::size_t nv12_avx2(const TwoRows &rows, std::size_t pixels) noexcept;

}  // namespace emogene_library
