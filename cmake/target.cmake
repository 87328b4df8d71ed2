# Defines ecewo::cluster, for a library that is about to be built as well as for an installed one.

function(ecewo_cluster_define_target kind file include_dir soname native_libraries)
  if(TARGET ecewo::cluster)
    return()
  endif()
  # GLOBAL, so that ecewo_plugin(cluster) in one folder serves the whole project.
  add_library(ecewo::cluster ${kind} IMPORTED GLOBAL)
  set(libraries "")
  if(kind STREQUAL "STATIC")
    set(libraries "${native_libraries}")
  else()
    set_target_properties(ecewo::cluster PROPERTIES IMPORTED_SONAME "${soname}")
  endif()
  # Programs for ecewo may name the plugin alone. Looked up when the build is generated: ecewo may come later.
  set(libraries "$<TARGET_NAME_IF_EXISTS:ecewo::ecewo>" ${libraries})
  set_target_properties(ecewo::cluster PROPERTIES
    IMPORTED_LOCATION "${file}"
    INTERFACE_LINK_LIBRARIES "${libraries}")
  set_property(GLOBAL PROPERTY ECEWO_CLUSTER_INCLUDE_DIR "${include_dir}")
  ecewo_cluster_select_interface("")
endfunction()

# Gives ecewo::cluster the include folder of the interface that a version of the plugin has; an empty version is the
# one that a program means which names none. The one place that knows what a version means: the last call decides.
function(ecewo_cluster_select_interface version)
  get_property(include_dir GLOBAL PROPERTY ECEWO_CLUSTER_INCLUDE_DIR)
  if(version MATCHES "^v?0\\.[12](\\.|$)")
    message(WARNING "ecewo-cluster: version ${version} of the C plugin has another interface; this package has "
      "the one of the documentation (bool cluster_init(const Cluster *, int, char **)).")
  endif()
  set_target_properties(ecewo::cluster PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${include_dir}")
endfunction()
