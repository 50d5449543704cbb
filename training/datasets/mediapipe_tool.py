"""A program of its own: reads pictures from standard input, writes what MediaPipe sees in them.

It runs in the environment that ``emogene-train prepare tool`` makes, and imports nothing of this
package. All numbers are little-endian.

At start it writes ``EGMP0001``. A request is ``kind (4 bytes), height, width, faces (3 × uint32)``
and height · width · 3 bytes of RGB:

* ``FACE``: the answer holds a (n, 478, 3) float32 mesh of each of at most ``faces`` faces: column,
  row, depth (smaller is nearer), all in pixels. The last frame's faces are followed.
* ``MASK``: the answer is (height, width) uint8, how surely a person is seen, 255 is sure.
* ``NEXT``: no picture, height = width = 0; forgets the faces of the last recording. Empty answer.

An answer is ``status, length (2 × uint32)`` and that many bytes: the result when the status is 0,
else a message in UTF-8.
"""

from __future__ import annotations

import os
import struct
import sys
import types

GREETING = b"EGMP0001"
REQUEST = struct.Struct("<4sIII")
ANSWER = struct.Struct("<II")
MESH_POINTS = 478


def _leave_out() -> None:
    """Stand-ins for what MediaPipe imports but uses for drawing, audio and cameras alone.

    They would make the environment six times as large.
    """
    for name in ("cv2", "matplotlib", "matplotlib.pyplot", "sounddevice"):
        sys.modules.setdefault(name, types.ModuleType(name))


def _exactly(source, count: int) -> bytes | None:
    """`count` bytes; None at the end of the input."""
    data = source.read(count)
    return data if len(data) == count else None


class Watcher:
    """MediaPipe's two networks."""

    def __init__(self) -> None:
        from mediapipe.python.solutions import face_mesh, selfie_segmentation

        self._face_mesh = face_mesh.FaceMesh
        self._segmentation = selfie_segmentation.SelfieSegmentation(model_selection=0)
        self._faces = None

    def faces(self, image, count: int) -> bytes:
        import numpy as np

        if self._faces is None:
            self._faces = self._face_mesh(max_num_faces=count, refine_landmarks=True)
        side = max(image.shape[:2])
        # The mesh is only placed right in a square picture.
        square = np.zeros((side, side, 3), np.uint8)
        square[: image.shape[0], : image.shape[1]] = image
        found = self._faces.process(square).multi_face_landmarks or []
        meshes = [[(p.x, p.y, p.z) for p in face.landmark] for face in found]
        return (np.array(meshes, "<f4").reshape(-1, MESH_POINTS, 3) * side).astype("<f4").tobytes()

    def mask(self, image) -> bytes:
        import numpy as np

        seen = self._segmentation.process(image).segmentation_mask
        return (255 * np.clip(seen, 0, 1) + 0.5).astype(np.uint8).tobytes()

    def forget(self) -> bytes:
        if self._faces is not None:
            self._faces.close()
            self._faces = None
        return b""


def serve(source, sink) -> None:
    import numpy as np

    watcher = Watcher()
    sink.write(GREETING)
    sink.flush()
    while (head := _exactly(source, REQUEST.size)) is not None:
        kind, height, width, faces = REQUEST.unpack(head)
        pixels = _exactly(source, height * width * 3)
        if pixels is None:
            return
        image = np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
        try:
            if kind == b"FACE":
                status, body = 0, watcher.faces(image, faces)
            elif kind == b"MASK":
                status, body = 0, watcher.mask(image)
            elif kind == b"NEXT":
                status, body = 0, watcher.forget()
            else:
                status, body = 1, b"no such request"
        except Exception as error:  # the other side raises it
            status, body = 1, f"{type(error).__name__}: {error}".encode()
        sink.write(ANSWER.pack(status, len(body)) + body)
        sink.flush()


if __name__ == "__main__":
    # Whatever the libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _leave_out()
    serve(sys.stdin.buffer, answers)
