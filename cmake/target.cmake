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
    INTERFACE_INCLUDE_DIRECTORIES "${include_dir}"
    INTERFACE_LINK_LIBRARIES "${libraries}")
endfunction()
