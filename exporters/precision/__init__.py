"""Stages in half precision and int8: converted, judged, and kept in fp32 where they must be."""
