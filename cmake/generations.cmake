# The generations of the plugin's interface (docs/contract.md, section 10): which header ecewo::cluster gives to the programs
# that link it. The library is the same.
#
#   ECEWO_CLUSTER_GENERATION   documentation, v0.1 or v0.2: chosen, whatever the project names. Empty: by the version of the
#                              plugin that it names; if it names none, v0.2 where ecewo is 4 or later, else documentation.

# Gives ecewo::cluster the include folder of the interface that a version of the plugin has; an empty version is the one that
# a program means which names none. Two different versions in one project are an error: a target has one header.
function(ecewo_cluster_select_interface version)
  if(version STREQUAL "" AND DEFINED PLUGIN_TAG AND (NOT DEFINED NAME OR NAME STREQUAL "cluster"))
    # ecewo's own function is fetching this plugin, and that is how it calls the version.
    set(version "${PLUGIN_TAG}")
  endif()
  ecewo_cluster_generation_of("${version}" generation)

  get_property(named GLOBAL PROPERTY ECEWO_CLUSTER_NAMED_GENERATION)
  if(generation)
    if(named AND NOT named STREQUAL generation)
      message(FATAL_ERROR "ecewo-cluster: this project names versions of the plugin with different interfaces: "
        "${generation} (${version}) now, ${named} before. Let all of it name the same version.")
    endif()
    set_property(GLOBAL PROPERTY ECEWO_CLUSTER_NAMED_GENERATION "${generation}")
  else()
    set(generation "${named}")
  endif()

  if(ECEWO_CLUSTER_GENERATION)
    if(NOT ECEWO_CLUSTER_GENERATION MATCHES "^(documentation|v0\\.1|v0\\.2)$")
      message(FATAL_ERROR "ECEWO_CLUSTER_GENERATION is \"${ECEWO_CLUSTER_GENERATION}\": it can be documentation, v0.1 or v0.2")
    endif()
    set(generation "${ECEWO_CLUSTER_GENERATION}")
  elseif(NOT generation)
    ecewo_cluster_default_generation(generation)
  endif()

  get_property(folder GLOBAL PROPERTY ECEWO_CLUSTER_INCLUDE_DIR)
  get_property(folders GLOBAL PROPERTY ECEWO_CLUSTER_GENERATIONS_DIR)
  if(NOT generation STREQUAL "documentation")
    set(folder "${folders}/${generation}")
  endif()
  set_target_properties(ecewo::cluster PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${folder}")
endfunction()

# The generation that a version of the plugin belongs to; empty if it says nothing.
function(ecewo_cluster_generation_of version out)
  set(generation "")
  if(version MATCHES "^v?0\\.([12])([.-]|$)")
    set(generation "v0.${CMAKE_MATCH_1}")
  elseif(version MATCHES "^v?0\\.0([.-]|$)")
    set(generation documentation)
  elseif(version MATCHES "^v?[0-9]+\\.[0-9]+([.-]|$)")
    message(WARNING "ecewo-cluster: the plugin's version ${version} is not known here; it is taken for v0.2, the newest that is. "
      "Name v0.1.0 or v0.2.0, or set ECEWO_CLUSTER_GENERATION.")
    set(generation v0.2)
  elseif(NOT version MATCHES "^(main|master|HEAD|origin/main|)$")
    message(WARNING "ecewo-cluster: \"${version}\" says nothing about the interface that the program was written for. "
      "Name v0.1.0 or v0.2.0, or set ECEWO_CLUSTER_GENERATION to documentation, v0.1 or v0.2.")
  endif()
  set(${out} "${generation}" PARENT_SCOPE)
endfunction()

# Of a project that names no version.
function(ecewo_cluster_default_generation out)
  ecewo_cluster_ecewo_version(version)
  if(version STREQUAL "" AND COMMAND ecewo_add AND NOT COMMAND ecewo_plugin)
    set(version 4) # it has this function alone
  endif()
  if(version VERSION_LESS 4)
    set(${out} documentation PARENT_SCOPE)
  else()
    set(${out} v0.2 PARENT_SCOPE)
  endif()
endfunction()

# The version of the ecewo in this project; empty where there is none, or none that tells.
function(ecewo_cluster_ecewo_version out)
  set(version "")
  if(TARGET ecewo::ecewo)
    # What project(ecewo VERSION ...) or find_package(ecewo) has set is seen in the folder that the target comes from.
    set(target ecewo::ecewo)
    get_target_property(aliased ecewo::ecewo ALIASED_TARGET)
    if(aliased)
      set(target "${aliased}")
    endif()
    get_target_property(folder "${target}" SOURCE_DIR)
    if(folder)
      get_directory_property(version DIRECTORY "${folder}" DEFINITION ecewo_VERSION)
    endif()
  endif()
  if(version STREQUAL "" AND DEFINED ecewo_VERSION)
    set(version "${ecewo_VERSION}")
  endif()
  set(${out} "${version}" PARENT_SCOPE)
endfunction()
