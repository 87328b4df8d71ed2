# The functions by which ecewo's programs ask for plugins, for projects that do not have them from ecewo itself. Here
# they know one plugin, and its target exists already.

# Defines those that do not exist. If ecewo comes later, its own replace these.
macro(ecewo_cluster_supply_plugin_functions)
  if(NOT COMMAND ecewo_plugin)
    # ecewo_plugin(cluster [VERSION v])
    function(ecewo_plugin name)
      cmake_parse_arguments(arg "" "VERSION" "" ${ARGN})
      ecewo_cluster_provide_plugin(ecewo_plugin "${name}" "${arg_VERSION}")
    endfunction()
  endif()
  if(NOT COMMAND ecewo_plugins)
    # ecewo_plugins(cluster[@v] ...)
    function(ecewo_plugins)
      ecewo_cluster_provide_plugins(ecewo_plugins ${ARGN})
    endfunction()
  endif()
  if(NOT COMMAND ecewo_add)
    # ecewo_add(cluster[@v] ...)
    function(ecewo_add)
      ecewo_cluster_provide_plugins(ecewo_add ${ARGN})
    endfunction()
  endif()
endmacro()

function(ecewo_cluster_provide_plugins caller)
  foreach(item IN LISTS ARGN)
    if(NOT item MATCHES "^([^@]+)(@(.+))?$")
      message(FATAL_ERROR "${caller}(${item}): expected NAME or NAME@VERSION")
    endif()
    ecewo_cluster_provide_plugin(${caller} "${CMAKE_MATCH_1}" "${CMAKE_MATCH_3}")
  endforeach()
endfunction()

function(ecewo_cluster_provide_plugin caller name version)
  if(NOT TARGET "ecewo::${name}")
    message(FATAL_ERROR "${caller}(${name}): this function comes with ecewo-cluster, which knows the plugin 'cluster' "
      "only. Other plugins need ecewo's own CMake functions: make ecewo available before ecewo-cluster.")
  endif()
  # The versions of the C plugin from v0.1 on have another interface than this library's header has now.
  if(name STREQUAL "cluster" AND version MATCHES "^v?0\\.[12](\\.|$)")
    message(WARNING "${caller}(cluster): version ${version} of the C plugin has another interface; this package has "
      "the one of the documentation (bool cluster_init(const Cluster *, int, char **)).")
  endif()
endfunction()
