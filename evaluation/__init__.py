"""How good an avatar or a video is: figures, tables, and the targets the shipped avatar must reach.

One small file a measure (`images`, `landmarks`, `frechet`, `fid`, `poses`, `phones`, `sync`), what
they are taken on (`material`), how the avatar is asked (`subject`), and the two that put it all
together: `avatar` for an engine directory, `video` for any method's video.
"""
