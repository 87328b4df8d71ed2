# CPack: `cpack -G DEB` in the build folder makes a Debian package of what is installed, `cpack -G TGZ` an archive.

set(CPACK_PACKAGE_NAME ecewo-cluster)
set(CPACK_PACKAGE_VENDOR "the ecewo-cluster authors")
set(CPACK_PACKAGE_CONTACT "the ecewo-cluster authors")
set(CPACK_PACKAGE_VERSION "${ECEWO_CLUSTER_VERSION}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Runs a C server as a master and worker processes on one port")
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_STRIP_FILES OFF) # the profile in Cargo.toml has done it
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
# Tells dpkg of the shared library, and ldconfig of its being there.
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
find_program(ECEWO_CLUSTER_DPKG_SHLIBDEPS dpkg-shlibdeps DOC "Finds what a Debian package depends on")
mark_as_advanced(ECEWO_CLUSTER_DPKG_SHLIBDEPS)
if(ECEWO_CLUSTER_DPKG_SHLIBDEPS)
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
else()
  set(CPACK_DEBIAN_PACKAGE_DEPENDS "libc6, libgcc-s1")
endif()
include(CPack)
