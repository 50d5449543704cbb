// In which order pixels are taken where neighbours shall run side by side.
#pragma once

#include "../cpp/portable.h"

namespace emogene {

// Pixels are numbered by blocks of 8 x 8, so that a warp's rays lie together.
constexpr int kSide = 8;

struct Pixel {
    int row, column, index;
    bool inside;
};

EMOGENE_HD Pixel pixel_at(int number, int size) {
    const int across = (size + kSide - 1) / kSide;
    const int tile = number / (kSide * kSide), within = number % (kSide * kSide);
    const int row = tile / across * kSide + within / kSide;
    const int column = tile % across * kSide + within % kSide;
    return {row, column, row * size + column, row < size && column < size};
}

EMOGENE_HD int pixel_numbers(int size) {
    const int across = (size + kSide - 1) / kSide;
    return across * across * kSide * kSide;
}

}  // namespace emogene
