/* The kernels' C ABI.
 *
 * Arrays are dense, row-major, owned by the caller; `const` ones are only read. Sizes and indices
 * are checked by the caller. No function keeps a pointer after it returns, throws, prints or
 * aborts. All may be called from several threads at once. `pool` may be NULL: the calling thread
 * then works alone; the results are the same. Optional arrays are NULL when absent. Float is IEEE
 * binary32.
 *
 * A change to this file that an old caller would not survive raises EMOGENE_KERNELS_ABI.
 */
#ifndef EMOGENE_KERNELS_H
#define EMOGENE_KERNELS_H

#include <stdint.h>

#define EMOGENE_KERNELS_ABI 4

#if defined(__GNUC__)
#define EMOGENE_API __attribute__((visibility("default")))
#else
#define EMOGENE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

EMOGENE_API int32_t emogene_kernels_abi(void);

/* ---- threads -------------------------------------------------------------------------------- */

typedef struct emogene_pool emogene_pool;

/* A pool of `threads` >= 1 threads, the caller of a kernel being one of them; NULL if the system
 * gives no more threads. One kernel at a time runs on a pool; others wait for it. */
EMOGENE_API emogene_pool* emogene_pool_create(int32_t threads);
/* Ends the pool's threads. No kernel may be running on it. NULL is ignored. */
EMOGENE_API void emogene_pool_destroy(emogene_pool* pool);

/* ---- rays and box --------------------------------------------------------------------------- */

typedef struct {
    int32_t size; /* width and height of the image, pixels */
    float focal, cx, cy; /* pixels */
} emogene_camera;

typedef struct {
    float low[3], high[3];
} emogene_box;

/* Rays through the centres of pixels (row * size + column). Without `frames`: one pose (3, 4) and
 * one origin (3). With frames (n): poses (frames, 3, 4) and origins (n, 3). */
EMOGENE_API void emogene_camera_rays(const float* poses, const emogene_camera* camera,
                                     const int32_t* pixels, const int32_t* frames, int64_t n,
                                     float* origins, float* directions, emogene_pool* pool);

/* origin_stride: 0 if one origin (3) belongs to all rays, 3 if there are n. */
EMOGENE_API void emogene_box_interval(const float* origins, int64_t origin_stride,
                                      const float* directions, int64_t n, const emogene_box* box,
                                      float min_near, float* near, float* far, emogene_pool* pool);

/* ---- occupancy ------------------------------------------------------------------------------ */

/* cells (G^3) of 0 and 1 to bits, bit i % 8 of byte i / 8; the last byte is filled with zeros. */
EMOGENE_API void emogene_pack_cells(const uint8_t* cells, int64_t count, uint8_t* bits);
EMOGENE_API void emogene_unpack_cells(const uint8_t* bits, int64_t count, uint8_t* cells);

/* distance (B^3), B = ceil(G / 4): for each block of 4^3 cells the Chebyshev distance in blocks to
 * the nearest block with a set cell, at most 255. */
EMOGENE_API void emogene_block_distance(const uint8_t* bits, int32_t resolution, uint8_t* distance);

/* Sets every cell that is set in `cells` or has a set neighbour across one of its six faces. */
EMOGENE_API void emogene_dilate(const uint8_t* cells, int32_t resolution, uint8_t* dilated,
                                emogene_pool* pool);

/* Raises each cell of largest (G^3) to the largest of the values (n) at positions (n, 3) inside it.
 * Positions outside the box belong to the nearest cell; NaN values are passed over. */
EMOGENE_API void emogene_cell_maximum(const float* positions, const float* values, int64_t n,
                                      const emogene_box* box, int32_t resolution, float* largest);

/* Sets the cells (G^3) met by points every half cell (of the smallest side) along each ray from
 * start (n) to end (n), both included. Points outside the box are passed over. */
EMOGENE_API void emogene_mark_segments(const float* origins, int64_t origin_stride,
                                       const float* directions, const float* start,
                                       const float* end, int64_t n, const emogene_box* box,
                                       int32_t resolution, uint8_t* cells);

/* ---- traversal ------------------------------------------------------------------------------ */

typedef struct {
    const uint8_t* bits;
    const uint8_t* distance;
    int32_t resolution;
    emogene_box box;
} emogene_occupancy;

typedef struct {
    float step;
    float phase;       /* steps; used where `phases` is NULL */
    int32_t count;     /* samples a ray gets in this call at most */
    int32_t max_count; /* samples a ray gets in all calls together at most */
} emogene_march;

typedef struct {
    const float* origins;
    int64_t origin_stride;
    const float* directions; /* (rays, 3) */
    const float* near;       /* (rays) */
    const float* far;        /* (rays) */
    const float* phases;     /* (rays) or NULL */
} emogene_rays;

/* Goes on along each of the rays live (n). `cursor` (rays) is the lattice index a ray goes on at,
 * -1 once it is done; `taken` (rays) the samples it got so far. Both are brought up to date.
 * Samples are packed ray after ray: entry i of live has samples offsets[i] to offsets[i + 1].
 * Returns their number; positions, distances and rays must have room for n * count of them. */
EMOGENE_API int64_t emogene_march_rays(const emogene_rays* rays, const int32_t* live, int64_t n,
                                       const emogene_occupancy* occupancy,
                                       const emogene_march* options, int32_t* cursor,
                                       int32_t* taken, float* positions, float* distances,
                                       int32_t* sample_rays, int32_t* offsets,
                                       emogene_pool* pool);

/* ---- grids ---------------------------------------------------------------------------------- */

typedef struct {
    float scale;
    uint32_t strides[3];
    uint32_t size;
} emogene_level;

typedef struct {
    int32_t dimensions; /* 2 or 3 */
    int32_t features;   /* 1 to 8 */
    int32_t levels;
    const emogene_level* level;
} emogene_grid;

/* unit = (position - displacement - low) / (high - low); displacement may be NULL. */
EMOGENE_API void emogene_unit_coordinates(const float* positions, const float* displacement,
                                          int64_t n, const emogene_box* box, float* unit,
                                          emogene_pool* pool);

/* Rows of `out` are `out_stride` floats apart, its features side by side, level after level. */
EMOGENE_API void emogene_encode(const emogene_grid* grid, const float* table,
                                const float* coordinates, int64_t n, float* out,
                                int64_t out_stride, emogene_pool* pool);

/* Adds to grad_table (entries, features); grad_coordinates (n, dimensions) is written, or NULL. */
EMOGENE_API void emogene_encode_backward(const emogene_grid* grid, const float* table,
                                         const float* coordinates, const float* gradient,
                                         int64_t n, float* grad_table, float* grad_coordinates,
                                         emogene_pool* pool);

/* ---- displacement --------------------------------------------------------------------------- */

typedef struct {
    int32_t nodes[3]; /* along x, y, z; each >= 2 */
    emogene_box box;
} emogene_nodes;

/* active (z, y, x) bytes: 1 for the nodes that a position in an occupied cell may read. */
EMOGENE_API void emogene_active_nodes(const emogene_nodes* grid, const uint8_t* bits,
                                      int32_t resolution, uint8_t* active);

/* Writes the listed nodes (count) of out (frames, z, y, x, 3), all of them if nodes is NULL. */
EMOGENE_API void emogene_bake_displacement(const emogene_nodes* grid, const float* rest,
                                           const float* falloff, int32_t landmark_count,
                                           float regulariser, const float* landmarks,
                                           int32_t frames, const int32_t* nodes, int64_t count,
                                           float* out, emogene_pool* pool);

/* frames (n) says which grid of `values` each sample reads; NULL: the first. */
EMOGENE_API void emogene_read_displacement(const emogene_nodes* grid, const float* values,
                                           const float* positions, const int32_t* frames,
                                           int64_t n, float* out, emogene_pool* pool);

/* ---- per ray and per pixel ------------------------------------------------------------------ */

EMOGENE_API void emogene_spherical_harmonics(const float* directions, int64_t n, int32_t degree,
                                             float* out, emogene_pool* pool);

EMOGENE_API void emogene_frequency_encode(const float* positions, int64_t n, int32_t octaves,
                                          float* out, emogene_pool* pool);

/* head (n, 3) premultiplied, opacity (n), torso rgba (n, 4) not premultiplied, bytes (n, 3). */
EMOGENE_API void emogene_blend(const float* head, const float* opacity, const float* torso,
                               const uint8_t* background, int64_t n, uint8_t* out,
                               emogene_pool* pool);

/* ---- compositing ---------------------------------------------------------------------------- */

typedef struct {
    const float* sigmas;    /* (samples) */
    const float* values;    /* (samples, channels) */
    const int32_t* offsets; /* (n + 1) */
    int32_t channels;
    float step;
    float threshold; /* a ray stops after the sample at which its transmittance falls below this */
} emogene_composite;

/* Goes on with the rays live (n) (NULL: rays 0 to n - 1): transmittance (rays) is lowered, channels
 * (rays, C) and used (rays) are added to; weights (samples) are written, 0 for what
 * comes after a ray has stopped. */
EMOGENE_API void emogene_composite_rays(const emogene_composite* samples, const int32_t* live,
                                        int64_t n, float* transmittance, float* channels,
                                        int32_t* used, float* weights, emogene_pool* pool);

/* Gradients of a whole composite from gradients of channels (n, C), opacity (n) and, or NULL,
 * weights (samples). */
EMOGENE_API void emogene_composite_backward(const emogene_composite* samples, int64_t n,
                                            const float* grad_channels, const float* grad_opacity,
                                            const float* grad_weights, float* grad_sigmas,
                                            float* grad_values, emogene_pool* pool);

/* Copies the entries of live (n) whose ray goes on to `kept`; returns their number. */
EMOGENE_API int64_t emogene_live_rays(const int32_t* live, int64_t n, const int32_t* cursor,
                                      const float* transmittance, float threshold, int32_t* kept);

#ifdef __cplusplus
}
#endif
#endif
