// The last step: head over torso over background, as bytes.
#pragma once

#include "portable.h"

namespace emogene {

EMOGENE_HD uint8_t to_byte(float value) {
    // NaN compares false and becomes 0, so that a broken sample cannot become a random colour.
    const float scaled = value * 255.0f + 0.5f;
    return scaled >= 255.0f ? (uint8_t)255 : scaled > 0.0f ? (uint8_t)scaled : (uint8_t)0;
}

// One channel: `head` is premultiplied by `opacity`, `torso` is not premultiplied by `alpha`.
EMOGENE_HD float layered(float head, float opacity, float torso, float alpha, float background) {
    const float behind = torso * alpha + (1.0f - alpha) * background;
    return head + (1.0f - opacity) * behind;
}

EMOGENE_HD uint8_t blend(float head, float opacity, float torso, float alpha, uint8_t background) {
    return to_byte(layered(head, opacity, torso, alpha, (float)background / 255.0f));
}

}  // namespace emogene
