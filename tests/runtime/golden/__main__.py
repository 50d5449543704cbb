"""``python -m tests.runtime.golden`` keeps the frames anew, where the avatar has changed."""

from emogene.runtime.png import encode_png

from . import PICTURE, render

if __name__ == "__main__":
    PICTURE.write_bytes(encode_png(render()))
