"""CUDA kernels on an NVIDIA GPU: compiling, loading and launching them. Imports nothing heavy.

nvrtc
    compile_cubin(unit, architecture, options=()) -> Cubin       needs no GPU and no toolkit
    version(), architectures()                                   of the NVRTC that is installed
resources
    parse_resources(log) -> registers, stack, shared memory and spills of every kernel
sources
    read_unit("march.cu") -> Unit: a source of ``kernels/cuda`` and every header it includes
cubin_cache
    CubinCache(folder).obtain(unit, architecture, options)       compiled once for the same parts
protocol
    Gpu: memory, streams, events, graphs, modules and launches; `opening.open_gpu` gives one
cuda_python, py_cuda
    the two implementations: NVIDIA's ``cuda.bindings.driver`` (the default), and PyCUDA
arrays
    DeviceArray: memory of the GPU that PyTorch, CuPy and JAX read without a copy
"""
