// Which pixels can meet the head, and between which depths: the occupied boxes, projected.
#include <cmath>

#include "handle.h"

namespace emogene {
namespace {

constexpr float kFar = 3.0e38f;
constexpr float kLeastDepth = 1e-3f;   // of a box's corner: nearer ones have no useful projection
constexpr float kSlackPixels = 1.0f;   // for what rounding moves
constexpr float kCrooked = 1e-3f;      // how far a pose may be from a rotation for depths to hold

bool is_rotation(const float* r) {
    for (int a = 0; a < 3; ++a)
        for (int b = a; b < 3; ++b) {
            const float product = r[4 * a] * r[4 * b] + r[4 * a + 1] * r[4 * b + 1] +
                                  r[4 * a + 2] * r[4 * b + 2];
            if (!(std::fabs(product - (a == b ? 1.0f : 0.0f)) < kCrooked)) return false;
        }
    return true;
}

struct Extent {
    float low = kFar, high = -kFar;

    void add(float v) {
        low = smaller(low, v);
        high = larger(high, v);
    }
    // First and last subtile, clipped to the picture.
    int first() const { return static_cast<int>(larger(low - kSlackPixels, 0.0f)) / kSubtile; }
    int last(int subtiles) const {
        const float most = static_cast<float>(subtiles * kSubtile - 1);
        return high + kSlackPixels < 0.0f
                   ? -1
                   : static_cast<int>(smaller(high + kSlackPixels, most)) / kSubtile;
    }
};

void fill(float* values, int64_t count, float value) {
    for (int64_t i = 0; i < count; ++i) values[i] = value;
}

}  // namespace

void project_boxes(const HeadModel& head, const float* r, Pinhole camera, int32_t size,
                   int32_t subtiles, float* begin, float* end) {
    const int64_t all = static_cast<int64_t>(subtiles) * subtiles;
    const auto everywhere = [&] {
        fill(begin, all, 0.0f);
        fill(end, all, kFar);
    };
    fill(begin, all, kFar);
    fill(end, all, -1.0f);
    if (!is_rotation(r)) return everywhere();
    const Vec3 side = head.box_side;
    // A box's depth beside its own extent: half a side for rays along the edges between boxes.
    const float slack = 0.5f * larger(side.x, larger(side.y, side.z));
    const float last_pixel = static_cast<float>(size);
    for (int64_t i = 0; i < head.boxes; ++i) {
        const float* low = head.box_low + 3 * i;
        Extent u, v, depth;
        for (int corner = 0; corner < 8; ++corner) {
            const float x = low[0] + (corner & 1 ? side.x : 0.0f);
            const float y = low[1] + (corner & 2 ? side.y : 0.0f);
            const float z = low[2] + (corner & 4 ? side.z : 0.0f);
            const float d = r[8] * x + r[9] * y + r[10] * z + r[11];
            if (!(d > kLeastDepth)) return everywhere();   // it reaches behind the camera
            depth.add(d);
            u.add((r[0] * x + r[1] * y + r[2] * z + r[3]) / d * camera.focal + camera.cx);
            v.add((r[4] * x + r[5] * y + r[6] * z + r[7]) / d * camera.focal + camera.cy);
        }
        if (!(u.low < last_pixel + kSlackPixels && v.low < last_pixel + kSlackPixels)) continue;
        for (int row = v.first(); row <= v.last(subtiles); ++row)
            for (int column = u.first(); column <= u.last(subtiles); ++column) {
                float* at = begin + static_cast<int64_t>(row) * subtiles + column;
                *at = smaller(*at, depth.low - slack);
                at = end + static_cast<int64_t>(row) * subtiles + column;
                *at = larger(*at, depth.high + slack);
            }
    }
}

}  // namespace emogene
