/* The fused renderer's C ABI: a whole frame in one call. The rules of emogene_kernels.h hold. */
#ifndef EMOGENE_FUSED_H
#define EMOGENE_FUSED_H

#include "emogene_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- instruction sets ----------------------------------------------------------------------- */

/* Names of the implementations this library holds, from the plainest to the best; NULL past the
 * last. */
EMOGENE_API const char* emogene_instructions_name(int32_t index);
/* Whether this processor, and its operating system, can run it. */
EMOGENE_API int32_t emogene_instructions_work(int32_t index);
/* The index of the one that renders fastest here. */
EMOGENE_API int32_t emogene_instructions_best(void);

/* ---- what is prepared once ------------------------------------------------------------------ */

typedef struct {
    int32_t layers;
    const int32_t* widths;        /* (layers + 1) input, hidden, output */
    const float* const* weights;  /* (layers) each (out, in) */
    const float* const* biases;   /* (layers) each (out) or NULL; the first is never read */
} emogene_mlp;

enum { EMOGENE_READ_POSITION = 0, EMOGENE_READ_DISPLACED = 1, EMOGENE_READ_AMBIENT = 2 };

typedef struct {
    emogene_grid grid;
    const float* table; /* (entries, features) */
    int32_t read_at;
} emogene_read_grid;

/* See contract/field.py for what the members mean. */
typedef struct {
    emogene_box box;
    int32_t grids;
    const emogene_read_grid* grid;
    int32_t surfaces; /* grids read once a ray */
    const emogene_read_grid* surface;
    const emogene_nodes* nodes; /* NULL: no displacement */
    int32_t landmarks;
    float regulariser;
    const float* rest;    /* (landmarks, 3) */
    const float* falloff; /* (landmarks) */
    float displacement_gain;
    const emogene_mlp* ambient; /* NULL: no ambient grid */
    emogene_mlp density, colour;
    float density_shift;
    int32_t directions;
    int32_t colour_once_a_ray;
    emogene_occupancy occupancy;
    emogene_box entry; /* rays are marched within it: the bounds, or less */
    float step, phase, min_near;
    int32_t max_samples;
} emogene_head;

typedef struct {
    emogene_read_grid grid;
    int32_t octaves;
    emogene_mlp deform, colour;
    float deform_range;
    const uint8_t* mask; /* (resolution^2 / 8, rounded up) */
    int32_t mask_resolution;
} emogene_torso;

typedef struct emogene_fused emogene_fused;

/* Copies and packs everything for an implementation that works here. `torso` may be NULL. NULL if
 * there is no memory, or a size is beyond the limits below. */
EMOGENE_API emogene_fused* emogene_fused_create(const emogene_head* head,
                                                const emogene_torso* torso, int32_t instructions);
EMOGENE_API void emogene_fused_destroy(emogene_fused* fused);

enum {
    EMOGENE_FUSED_WIDTH = 256,  /* of a network's layer and of its input */
    EMOGENE_FUSED_LAYERS = 8,
    EMOGENE_FUSED_GRIDS = 4,
    EMOGENE_FUSED_LEVELS = 32,
};

/* ---- a frame -------------------------------------------------------------------------------- */

typedef struct {
    const float* pose; /* (3, 4) */
    emogene_camera camera;
    const float* ambient_bias; /* (hidden) of the first layer; NULL where there is no network */
    const float* density_bias;
    const float* colour_bias;
    const float* torso_deform_bias;
    const float* torso_colour_bias;
    const float* landmarks; /* (landmarks, 3), NULL where there is no displacement */
    float threshold;        /* a ray ends once its transmittance is below this */
    float torso_threshold;  /* no torso where the head's transmittance is below this */
    int32_t coarse;         /* not 0: products of bfloat16 suffice, where those are quicker */
    const uint8_t* background; /* (size, size, 3), NULL without image */
    float* head;               /* (size, size, 4) premultiplied colour, opacity; or NULL */
    uint8_t* image;            /* (size, size, 3) or NULL */
    int64_t samples, rays;     /* written: samples taken, rays that took any */
} emogene_frame;

/* 0 if there was no memory. */
EMOGENE_API int32_t emogene_fused_render(emogene_fused* fused, emogene_frame* frame,
                                         emogene_pool* pool);

/* The samples of every pixel's ray when none ends early: counts (size^2), distances (size^2, most).
 * Of the frame only pose and camera are read. 0 if there was no memory. */
EMOGENE_API int32_t emogene_fused_samples(emogene_fused* fused, const emogene_frame* frame,
                                          int32_t most, int32_t* counts, float* distances,
                                          emogene_pool* pool);

#ifdef __cplusplus
}
#endif
#endif
