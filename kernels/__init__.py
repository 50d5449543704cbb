"""Every operation of rendering the head and torso fields, and all of them in one call.

Each operation stands three times: the arithmetic in ``cpp/<operation>.h`` (C++17 that NVRTC also
compiles), the loops over it in ``cpp/<operation>.cpp`` behind the C ABI of
``cpp/emogene_kernels.h``, and a NumPy reference with the same signature in
``reference/<operation>.py``. The public functions below call the C++ one. Nothing is re-exported
here: ``from emogene.kernels import traversal``.

Conventions. All floats are float32 and all indices int32, C-contiguous; anything else raises
`emogene.contract.errors.BadOption`. N rays, L live rays, S packed samples, C channels, F frames,
G occupancy cells along an axis. ``origins`` is (3,), shared by all rays, or (N, 3). Cells and
displacement nodes are arrays indexed [z, y, x] (x fastest). ``pool`` is a `threads.ThreadPool`, or
None for the calling thread alone; results do not depend on it. Functions may be called from
several threads at once and release the GIL.

threads
    ThreadPool(threads)                                      context manager; close() twice is fine
rays
    camera_rays(pose, camera, pixels, *, frames=None, pool=None) -> (origins, directions)
        pose (3, 4) -> origins (3,); poses (F, 3, 4) and frames (N,) -> origins (N, 3)
        pixels (N,): row * camera.size + column; directions (N, 3) of unit length, head space
box
    box_interval(origins, directions, bounds_min, bounds_max, min_near, *, pool=None)
        -> (near (N,), far (N,)); far < near for rays that miss
occupancy
    Occupancy.from_bits(bits, resolution, bounds_min, bounds_max)   frozen; what `march` walks
    Occupancy.from_cells(cells, bounds_min, bounds_max)
    pack_cells(cells (G, G, G) bool) -> bits (ceil(G³/8),) uint8    bit i % 8 of byte i // 8
    unpack_cells(bits, resolution) -> cells (G, G, G) bool
    dilate(cells, *, pool=None) -> cells                            6 neighbours
    cell_maximum(largest (G, G, G), positions (S, 3), values (S,), bounds_min, bounds_max)
        raises each cell of `largest`, in place, to the largest value of a sample inside it
    mark_segments(cells (G, G, G) bool, origins, directions, start (N,), end (N,),
                  bounds_min, bounds_max)                           sets cells in place
traversal
    MarchState.start(rays)        .cursor (N,), .taken (N,): where each ray goes on; cursor -1: done
    march(origins, directions, near, far, occupancy, spec: MarchSpec, state, *,
          count=None, phase=None, live=None, pool=None) -> Samples
        at most `count` (spec.max_samples) samples of each of the `live` (L,) rays (all); phase (N,)
        replaces spec.phase; cut rays short by lowering `far`
    Samples: positions (S, 3), distances (S,), rays (S,), offsets (L + 1,)
grids
    unit_coordinates(positions (S, 3), bounds_min, bounds_max, *, displacement=None, pool=None)
        -> (S, 3): (position - displacement) with the bounds mapped to [0, 1]³
    encode(grid: GridSpec, table, coordinates (S, D), *, out=None, pool=None) -> (S, grid.width)
        table (grid.entries, grid.features) float32 or float16; `out` may be columns of a wider
        array
    encode_backward(grid, table, coordinates, gradient (S, grid.width), *, coordinates_too=False,
                    pool=None) -> (table gradient, coordinate gradient (S, D) or None)
displacement
    active_nodes(resolution, occupancy, *, pool=None) -> nodes (A,)  needed by occupied cells
    bake_displacement(spec: DisplacementSpec, rest (68, 3), falloff (68,), landmarks (F, 68, 3),
                      bounds_min, bounds_max, *, nodes=None, pool=None) -> (F, z, y, x, 3)
    read_displacement(grid (F, z, y, x, 3), positions (S, 3), bounds_min, bounds_max, *,
                      frames=None, pool=None) -> (S, 3); frames (S,) where F > 1
harmonics
    spherical_harmonics(directions (N, 3), degree 1…4, *, pool=None) -> (N, degree²)
compositing
    CompositeState.start(rays, channels)     .transmittance (N,), .channels (N, C), .used (N,),
                                             .opacity (N,)
    composite(sigmas (S,), values (S, C), offsets (L + 1,), step, state, *, threshold=0.0,
              live=None, pool=None) -> weights (S,); adds to `state`
    composite_backward(sigmas, values, offsets, step, grad_channels (N, C), grad_opacity (N,), *,
                       grad_weights=None, threshold=0.0, pool=None)
        -> (grad_sigmas (S,), grad_values (S, C))
    live_rays(state: MarchState, composited: CompositeState, threshold, *, live=None) -> (L',)
frequency
    frequency_encode(positions (N, 2), octaves, *, base=pi, pool=None) -> (N, 2 + 4 * octaves)
image
    pixel_rectangle(size, left, top, width, height) -> pixels (N,)
    pixel_positions(size, pixels) -> (N, 2) in [-1, 1]², x right, y down
    masked_pixels(mask, mask_resolution, size) -> pixels (N,)
    blend(head (N, 3) premultiplied, opacity (N,), torso (N, 4), background (N, 3) uint8, *,
          pool=None) -> (N, 3) uint8
fused
    FusedField(field, weights, torso=None, *, instruction_set=None)   prepared once; MLPs included
        .render(FrameInputs(pose, camera, biases, landmarks), background=None, *,
                transmittance=0.0, torso_transmittance=0.0, coarse=False, keep_head=False,
                pool=None)
            -> FusedImage: head (size, size, 4), image (size, size, 3) uint8, samples, rays
        .samples(pose, camera, *, pool=None) -> counts and distances of every pixel's samples
    unsupported(field, torso=None) -> why it does not take them, [] if it does
shared
    store(address, value), load(address)    numbers in memory that two processes have mapped
instructions
    compiled(), available() -> names of instruction sets, from the plainest to the best
    chosen(name=None) -> the one used: `name`, what EMOGENE_CPU says, or the fastest here

The fused renderer (``cpp/fused``, its ABI in ``cpp/emogene_fused.h``) is written once over a class
of vectors (``lanes_*.h``) and compiled for every instruction set. Only its marching has to agree
with the other operations bit by bit: in the rest of it fused multiply-adds are spelled out.

A frame in rounds::

    state, composited = MarchState.start(n), CompositeState.start(n, channels)
    live = np.arange(n, dtype=np.int32)
    while live.size:
        samples = march(origin, directions, near, far, occupancy, spec.march, state,
                        count=8, live=live, pool=pool)
        sigmas, values = ...                                    # encode, MLPs
        composite(sigmas, values, samples.offsets, spec.march.step, composited,
                  threshold=1e-2, live=live, pool=pool)
        live = live_rays(state, composited, 1e-2, live=live)

The compiled library is found beside this package (``lib/libemogene_kernels.so``); the environment
variable ``EMOGENE_KERNELS_LIBRARY`` names another file.
"""
