# The CMake package: builds the library with cargo and offers it as the target ecewo::cluster, whether this
# repository is the project itself, a subdirectory (add_subdirectory, FetchContent), or about to be installed.
#
#   ECEWO_CLUSTER_BUILD_SHARED      ecewo::cluster is the shared library instead of the static one
#   ECEWO_CLUSTER_INSTALL           install rules for both kinds; ON unless this is part of another project
#   ECEWO_CLUSTER_CARGO_TARGET_DIR  cargo's target folder, to be shared by several builds
#   ECEWO_CLUSTER_CARGO_PROFILE     cargo's profile; "dev" in a Debug build, else "release"
#   ECEWO_CLUSTER_RUST_TARGET       Rust's name of the target, for cross compiling
#   ECEWO_CLUSTER_CARGO             the cargo to use
#   ECEWO_CLUSTER_GENERATION        the interface, whatever version of the plugin is named: see generations.cmake

# A target that exists first wins, as it does with ecewo's own functions.
if(TARGET ecewo::cluster)
  return()
endif()

string(COMPARE EQUAL "${CMAKE_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}" _ecewo_cluster_is_top_level)
option(ECEWO_CLUSTER_BUILD_SHARED "Make ecewo::cluster the shared library" OFF)
option(ECEWO_CLUSTER_INSTALL "Install ecewo-cluster" ${_ecewo_cluster_is_top_level})

include("${CMAKE_CURRENT_LIST_DIR}/toolchain.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/cargo-library.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/target.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/plugin-functions.cmake")

if(ECEWO_CLUSTER_BUILD_SHARED)
  set(_ecewo_cluster_kind SHARED)
else()
  set(_ecewo_cluster_kind STATIC)
endif()

ecewo_cluster_require_platform()
ecewo_cluster_find_cargo()
ecewo_cluster_read_version(ECEWO_CLUSTER_VERSION)
ecewo_cluster_query_native_libraries(ECEWO_CLUSTER_NATIVE_LIBRARIES)
ecewo_cluster_can_build_shared(_ecewo_cluster_has_shared)
if(ECEWO_CLUSTER_BUILD_SHARED AND NOT _ecewo_cluster_has_shared)
  message(FATAL_ERROR "ecewo-cluster: this Rust target links C statically and makes no shared libraries. "
    "Leave ECEWO_CLUSTER_BUILD_SHARED off, or build with RUSTFLAGS='-C target-feature=-crt-static'.")
endif()

# What is installed is both kinds, side by side. A project that only uses the library waits for one of them.
set(_ecewo_cluster_kinds ${_ecewo_cluster_kind})
if(ECEWO_CLUSTER_INSTALL)
  set(_ecewo_cluster_kinds STATIC)
  if(_ecewo_cluster_has_shared)
    list(APPEND _ecewo_cluster_kinds SHARED)
  endif()
endif()
foreach(_ecewo_cluster_one IN LISTS _ecewo_cluster_kinds)
  ecewo_cluster_add_cargo_library(${_ecewo_cluster_one})
endforeach()

ecewo_cluster_define_target(${_ecewo_cluster_kind}
  "${ECEWO_CLUSTER_${_ecewo_cluster_kind}_LIBRARY}"
  "${PROJECT_SOURCE_DIR}/include"
  "${PROJECT_SOURCE_DIR}/include"
  "${ECEWO_CLUSTER_SONAME}"
  "${ECEWO_CLUSTER_NATIVE_LIBRARIES}")
string(TOLOWER ${_ecewo_cluster_kind} _ecewo_cluster_lower)
add_dependencies(ecewo::cluster ecewo_cluster_${_ecewo_cluster_lower})

ecewo_cluster_supply_plugin_functions()

if(ECEWO_CLUSTER_INSTALL)
  include("${CMAKE_CURRENT_LIST_DIR}/install.cmake")
endif()
