// Compiled with -mavx2; called only where the processor has it. Nothing but these two functions may
// come out of this file: an inline function of a header, compiled here, could be the one the whole
// library gets.
#include "pixels_rows.h"

#if defined(__AVX2__)
#include <immintrin.h>

namespace emogene_library {
namespace {

// Four pixels of three bytes in each half: bytes 0 … 11 of `p` and 12 … 23. Reads 28 bytes.
__m256i eight_pixels(const std::uint8_t *p) {
  const auto *low = reinterpret_cast<const __m128i *>(p);
  const auto *high = reinterpret_cast<const __m128i *>(p + 12);
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(low)),
                                 _mm_loadu_si128(high), 1);
}

// The picture was written a while ago and its rows lie far apart for the processor to see coming:
// asking for what is 2 KB ahead takes a quarter off the time. It may lie beyond the end.
void ask_ahead(const std::uint8_t *p) {
  _mm_prefetch(reinterpret_cast<const char *>(p) + 2048, _MM_HINT_T0);
}

// Pixels of a row that may be read so by blocks of `block`: four bytes after the last must be there.
std::size_t whole(std::size_t pixels, std::size_t block) {
  return pixels < 2 ? 0 : (pixels - 2) / block * block;
}

__m256i both(__m128i half) { return _mm256_broadcastsi128_si256(half); }

// 16-bit pairs, `first` and `second` in turns.
__m256i pairs(std::int32_t first, std::int32_t second) {
  return _mm256_set1_epi32(static_cast<std::int32_t>(static_cast<std::uint32_t>(second) << 16 |
                                                     (static_cast<std::uint32_t>(first) & 0xffff)));
}

// `even` in the even 32-bit places, `odd` in the odd ones.
__m256i in_turns(__m256i even, __m256i odd) { return _mm256_blend_epi32(even, odd, 0b10101010); }

// Eight pixels as 16-bit pairs.
struct Pairs {
  __m256i red_green, blue_green;
};

Pairs split(const std::uint8_t *p) {
  const __m256i pixels = eight_pixels(p);
  const __m256i rg =
      both(_mm_setr_epi8(0, -1, 1, -1, 3, -1, 4, -1, 6, -1, 7, -1, 9, -1, 10, -1));
  const __m256i bg =
      both(_mm_setr_epi8(2, -1, 1, -1, 5, -1, 4, -1, 8, -1, 7, -1, 11, -1, 10, -1));
  return {_mm256_shuffle_epi8(pixels, rg), _mm256_shuffle_epi8(pixels, bg)};
}

__m256i weighted(const Pairs &p, __m256i red_green, __m256i blue_green) {
  return _mm256_add_epi32(_mm256_madd_epi16(p.red_green, red_green),
                          _mm256_madd_epi16(p.blue_green, blue_green));
}

// Eight 32-bit lumas. Green's factor exceeds 16 bits and comes in two halves.
__m256i luma(const Pairs &p) {
  const __m256i sum = weighted(p, pairs(kY[0], kY[1] / 2), pairs(kY[2], kY[1] - kY[1] / 2));
  return _mm256_srai_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(kHalf + (16 << 16))), 16);
}

// Of both rows' pairs, and of neighbours: every sum of 2 × 2 pixels stands there twice.
__m256i blocks(__m256i upper, __m256i lower) {
  const __m256i rows = _mm256_add_epi16(upper, lower);
  return _mm256_add_epi16(rows, _mm256_shuffle_epi32(rows, _MM_SHUFFLE(2, 3, 0, 1)));
}

// 32-bit Cb, Cr, Cb, Cr … of eight pixels in each of two rows.
__m256i chroma(const Pairs &upper, const Pairs &lower) {
  const Pairs sums = {blocks(upper.red_green, lower.red_green),
                      blocks(upper.blue_green, lower.blue_green)};
  const __m256i red_green = in_turns(pairs(kCb[0], kCb[1]), pairs(kCr[0], kCr[1]));
  const __m256i blue = in_turns(pairs(kCb[2], 0), pairs(kCr[2], 0));
  const __m256i rounding = _mm256_set1_epi32(4 * kHalf + (128 << 18));
  return _mm256_srai_epi32(_mm256_add_epi32(weighted(sums, red_green, blue), rounding), 18);
}

// Two runs of 16 numbers in 32 bits, each in two registers → bytes, the first run in the low half.
__m256i packed(__m256i a, __m256i b, __m256i c, __m256i d) {
  // Packing goes by halves: fours of a, b, c, d | a, b, c, d.
  const __m256i mixed = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
  return _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

void store(std::uint8_t *to, __m128i bytes) {
  _mm_storeu_si128(reinterpret_cast<__m128i *>(to), bytes);
}

}  // namespace

std::size_t rgba_avx2(const std::uint8_t *rgb, std::uint8_t *to, std::size_t pixels) noexcept {
  const __m256i spread = both(_mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1));
  const __m256i alpha = _mm256_set1_epi32(static_cast<std::int32_t>(0xff000000u));
  std::size_t x = 0;
  for (const std::size_t end = whole(pixels, 8); x < end; x += 8) {
    ask_ahead(rgb + 3 * x);
    ask_ahead(to + 4 * x);
    const __m256i eight = _mm256_shuffle_epi8(eight_pixels(rgb + 3 * x), spread);
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(to + 4 * x), _mm256_or_si256(eight, alpha));
  }
  return x;
}

std::size_t nv12_avx2(const TwoRows &rows, std::size_t pixels) noexcept {
  std::size_t x = 0;
  for (const std::size_t end = whole(pixels, 16); x < end; x += 16) {
    ask_ahead(rows.upper + 3 * x);
    ask_ahead(rows.lower + 3 * x);
    const Pairs a = split(rows.upper + 3 * x), b = split(rows.upper + 3 * x + 24);
    const Pairs c = split(rows.lower + 3 * x), d = split(rows.lower + 3 * x + 24);
    const __m256i lumas = packed(luma(a), luma(b), luma(c), luma(d));
    store(rows.above + x, _mm256_castsi256_si128(lumas));
    store(rows.below + x, _mm256_extracti128_si256(lumas, 1));
    const __m256i left = chroma(a, c), right = chroma(b, d);
    store(rows.pairs + x, _mm256_castsi256_si128(packed(left, right, left, right)));
  }
  return x;
}

}  // namespace emogene_library

#else

namespace emogene_library {

std::size_t rgba_avx2(const std::uint8_t *, std::uint8_t *, std::size_t) noexcept { return 0; }
std::size_t nv12_avx2(const TwoRows &, std::size_t) noexcept { return 0; }

}  // namespace emogene_library

#endif
