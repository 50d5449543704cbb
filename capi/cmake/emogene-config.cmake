# find_package(emogene): the imported target emogene::emogene, headers and library.
#
#   cmake -S . -B build -Demogene_DIR="$(emogene-config --cmakedir)"
#
# Also sets emogene_INCLUDE_DIR and emogene_LIBRARY.
get_filename_component(_emogene_root "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)
set(emogene_INCLUDE_DIR "${_emogene_root}/include")
set(emogene_LIBRARY "${_emogene_root}/lib/libemogene.so")
if(NOT EXISTS "${emogene_LIBRARY}")
  set(emogene_FOUND FALSE)
  set(emogene_NOT_FOUND_MESSAGE
    "${emogene_LIBRARY} is missing: install the package again with pip install.")
  return()
endif()

if(NOT TARGET emogene::emogene)
  add_library(emogene::emogene SHARED IMPORTED)
  set_target_properties(emogene::emogene PROPERTIES
    IMPORTED_LOCATION "${emogene_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${emogene_INCLUDE_DIR}")
endif()
unset(_emogene_root)
