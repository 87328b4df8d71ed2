# Defines ecewo::cluster, for a library that is about to be built as well as for an installed one.

include("${CMAKE_CURRENT_LIST_DIR}/generations.cmake")

# generations_dir holds the headers of the other generations, in a folder each.
function(ecewo_cluster_define_target kind file include_dir generations_dir soname native_libraries)
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
  set_property(GLOBAL PROPERTY ECEWO_CLUSTER_GENERATIONS_DIR "${generations_dir}")
  ecewo_cluster_select_interface("")
endfunction()
