# The installed package for a project that knows nothing of it: its app says ecewo_plugin(cluster) and is configured with
# -DCMAKE_PROJECT_INCLUDE=<this file>. CMake reads it at the end of every project().
#
# It makes no target: ecewo's functions do nothing where the target exists, and nobody would hear which version the app names.
# They are sent to the folder `fetched` for the plugin's sources instead, which finds the package. Where ecewo's functions do
# not come, those of the package find it.
if(NOT TARGET ecewo::cluster)
  if("${FETCHCONTENT_SOURCE_DIR_ECEWO-CLUSTER}" MATCHES "^$|/ecewo-cluster/fetched$")
    set(FETCHCONTENT_SOURCE_DIR_ECEWO-CLUSTER "${CMAKE_CURRENT_LIST_DIR}/fetched")
  endif()
  set_property(GLOBAL PROPERTY ECEWO_CLUSTER_PACKAGE_DIR "${CMAKE_CURRENT_LIST_DIR}")
  include("${CMAKE_CURRENT_LIST_DIR}/plugin-functions.cmake")
  ecewo_cluster_supply_plugin_functions()
endif()
