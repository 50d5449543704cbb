"""The runtime inside C and C++ programs: ``libemogene.so``, its headers, ``emogene-config``."""
