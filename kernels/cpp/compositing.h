// One sample's share of a ray (paper Eq. 6-7): C(r) = sum w c with w = T (1 - exp(-sigma dt)) and T
// the product of exp(-sigma dt) over the samples before it.
#pragma once

#include "exponential.h"
#include "portable.h"

namespace emogene {

// Takes a sample of density sigma and thickness `step`; returns its weight, lowers T past it.
EMOGENE_HD float absorb(float sigma, float step, float* transmittance) {
    const float kept = exponential(-(sigma * step));
    const float weight = *transmittance * (1.0f - kept);
    *transmittance *= kept;
    return weight;
}

}  // namespace emogene
