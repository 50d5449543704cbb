"""Two small networks that name an emotion: from 68 landmarks, and from a picture of the demo."""
