# Install rules: header, both kinds of the library, CMake package, pkg-config file, licence. What is installed can be
# moved.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(FILES "${PROJECT_SOURCE_DIR}/include/ecewo-cluster.h" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
foreach(_ecewo_cluster_generation v0.1 v0.2)
  install(FILES "${PROJECT_SOURCE_DIR}/include/${_ecewo_cluster_generation}/ecewo-cluster.h"
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/ecewo-cluster/${_ecewo_cluster_generation}")
endforeach()
install(FILES "${ECEWO_CLUSTER_STATIC_LIBRARY}" DESTINATION "${CMAKE_INSTALL_LIBDIR}")
if(ECEWO_CLUSTER_SHARED_LIBRARY)
  install(FILES
    "${ECEWO_CLUSTER_SHARED_LIBRARY}"
    "${PROJECT_BINARY_DIR}/${ECEWO_CLUSTER_SONAME}"
    "${PROJECT_BINARY_DIR}/libecewo_cluster.so"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}")
endif()

set(_ecewo_cluster_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/ecewo-cluster")
configure_package_config_file(
  "${CMAKE_CURRENT_LIST_DIR}/ecewo-cluster-config.cmake.in" "${PROJECT_BINARY_DIR}/ecewo-cluster-config.cmake"
  INSTALL_DESTINATION "${_ecewo_cluster_package_dir}"
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR
  NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/ecewo-cluster-config-version.cmake"
  VERSION "${ECEWO_CLUSTER_VERSION}" COMPATIBILITY SameMajorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/ecewo-cluster-config.cmake"
  "${PROJECT_BINARY_DIR}/ecewo-cluster-config-version.cmake"
  "${CMAKE_CURRENT_LIST_DIR}/generations.cmake"
  "${CMAKE_CURRENT_LIST_DIR}/target.cmake"
  "${CMAKE_CURRENT_LIST_DIR}/plugin-functions.cmake"
  "${CMAKE_CURRENT_LIST_DIR}/project-include.cmake"
  DESTINATION "${_ecewo_cluster_package_dir}")
install(FILES "${CMAKE_CURRENT_LIST_DIR}/fetched/CMakeLists.txt" DESTINATION "${_ecewo_cluster_package_dir}/fetched")

# The .pc file finds its prefix from where it lies itself. Folders outside the prefix stay as they are.
set(_ecewo_cluster_pc_dir "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig")
file(RELATIVE_PATH _ecewo_cluster_pc_to_prefix "${_ecewo_cluster_pc_dir}" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" _ecewo_cluster_pc_to_prefix "${_ecewo_cluster_pc_to_prefix}")
foreach(_ecewo_cluster_dir INCLUDEDIR LIBDIR)
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${_ecewo_cluster_dir}}")
    set(ECEWO_CLUSTER_PC_${_ecewo_cluster_dir} "${CMAKE_INSTALL_${_ecewo_cluster_dir}}")
  else()
    set(ECEWO_CLUSTER_PC_${_ecewo_cluster_dir} "\${prefix}/${CMAKE_INSTALL_${_ecewo_cluster_dir}}")
  endif()
endforeach()
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(ECEWO_CLUSTER_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
else()
  set(ECEWO_CLUSTER_PC_PREFIX "\${pcfiledir}/${_ecewo_cluster_pc_to_prefix}")
endif()
set(ECEWO_CLUSTER_PC_LIBS "-lecewo_cluster")
set(ECEWO_CLUSTER_PC_LIBS_PRIVATE "")
foreach(_ecewo_cluster_library IN LISTS ECEWO_CLUSTER_NATIVE_LIBRARIES)
  string(APPEND ECEWO_CLUSTER_PC_LIBS_PRIVATE " -l${_ecewo_cluster_library}")
endforeach()
if(NOT ECEWO_CLUSTER_SHARED_LIBRARY)
  # -lecewo_cluster can only mean the static library then, --static or not.
  string(APPEND ECEWO_CLUSTER_PC_LIBS "${ECEWO_CLUSTER_PC_LIBS_PRIVATE}")
endif()
configure_file("${CMAKE_CURRENT_LIST_DIR}/ecewo-cluster.pc.in" "${PROJECT_BINARY_DIR}/ecewo-cluster.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/ecewo-cluster.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATAROOTDIR}/doc/ecewo-cluster" RENAME copyright)

if(CMAKE_SOURCE_DIR STREQUAL PROJECT_SOURCE_DIR)
  include("${CMAKE_CURRENT_LIST_DIR}/package.cmake")
endif()
