"""How good the frames are: image, landmark and idle figures."""
