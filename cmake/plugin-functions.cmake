# The functions by which ecewo's programs ask for plugins, for projects that do not have them from ecewo itself. Here
# they know one plugin, and its target exists already.

# Defines those that do not exist. If ecewo comes later, its own replace these. A function: in a macro, ARGN in the functions
# below would be the macro's own, which is empty.
function(ecewo_cluster_supply_plugin_functions)
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
endfunction()

function(ecewo_cluster_provide_plugins caller)
  foreach(item IN LISTS ARGN)
    if(NOT item MATCHES "^([^@]+)(@(.+))?$")
      message(FATAL_ERROR "${caller}(${item}): expected NAME or NAME@VERSION")
    endif()
    ecewo_cluster_provide_plugin(${caller} "${CMAKE_MATCH_1}" "${CMAKE_MATCH_3}")
  endforeach()
endfunction()

function(ecewo_cluster_provide_plugin caller name version)
  # By way of project-include.cmake there is no target yet.
  get_property(package_dir GLOBAL PROPERTY ECEWO_CLUSTER_PACKAGE_DIR)
  if(name STREQUAL "cluster" AND package_dir AND NOT TARGET ecewo::cluster)
    find_package(ecewo-cluster CONFIG REQUIRED PATHS "${package_dir}" NO_DEFAULT_PATH)
  endif()
  if(NOT TARGET "ecewo::${name}")
    message(FATAL_ERROR "${caller}(${name}): this function comes with ecewo-cluster, which knows the plugin 'cluster' "
      "only. Other plugins need ecewo's own CMake functions: make ecewo available before ecewo-cluster.")
  endif()
  # The target may be somebody else's, who had it first.
  get_property(is_ours GLOBAL PROPERTY ECEWO_CLUSTER_INCLUDE_DIR SET)
  if(name STREQUAL "cluster" AND is_ours)
    ecewo_cluster_select_interface("${version}")
  endif()
endfunction()
