# Finds llhttp and defines LLHTTP::llhttp.
#
# A system library of version 9 or later wins (CMake package, then pkg-config). Else the C sources that Debian 12 ships
# in `node-llhttp` (version 8.1) are compiled; core/http guards against the flaws of that version.

find_package(llhttp 9 CONFIG QUIET)
if(TARGET llhttp::llhttp)
  set(_llhttp_target llhttp::llhttp)
elseif(TARGET llhttp::llhttp_shared)
  set(_llhttp_target llhttp::llhttp_shared)
elseif(TARGET llhttp::llhttp_static)
  set(_llhttp_target llhttp::llhttp_static)
else()
  find_package(PkgConfig QUIET)
  if(PKG_CONFIG_FOUND)
    pkg_check_modules(PC_LLHTTP QUIET IMPORTED_TARGET "libllhttp>=9")
    if(PC_LLHTTP_FOUND)
      set(_llhttp_target PkgConfig::PC_LLHTTP)
    endif()
  endif()
endif()

if(_llhttp_target)
  set(LLHTTP_SOURCE "system library ${_llhttp_target}")
  if(NOT TARGET LLHTTP::llhttp)
    add_library(LLHTTP::llhttp INTERFACE IMPORTED)
    target_link_libraries(LLHTTP::llhttp INTERFACE ${_llhttp_target})
  endif()
else()
  find_path(LLHTTP_INCLUDE_DIR llhttp.h PATHS /usr/share/include/llhttp)
  find_path(LLHTTP_SOURCE_DIR llhttp.c PATHS /usr/share/llhttp)
  if(LLHTTP_INCLUDE_DIR AND LLHTTP_SOURCE_DIR)
    set(LLHTTP_SOURCE "sources in ${LLHTTP_SOURCE_DIR}")
    if(NOT TARGET LLHTTP::llhttp)
      add_library(keepwarm_llhttp STATIC ${LLHTTP_SOURCE_DIR}/llhttp.c ${LLHTTP_SOURCE_DIR}/api.c
                                         ${LLHTTP_SOURCE_DIR}/http.c)
      target_include_directories(keepwarm_llhttp SYSTEM PUBLIC ${LLHTTP_INCLUDE_DIR})
      # Its state machine is one huge generated function: -O2 in every configuration, as it is none of ours to debug.
      target_compile_options(keepwarm_llhttp PRIVATE -O2 -w)
      set_target_properties(keepwarm_llhttp PROPERTIES UNITY_BUILD OFF)
      add_library(LLHTTP::llhttp ALIAS keepwarm_llhttp)
    endif()
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LLHTTP REQUIRED_VARS LLHTTP_SOURCE)
