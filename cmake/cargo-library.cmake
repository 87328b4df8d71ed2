# Builds one kind of the library with cargo.

set(ECEWO_CLUSTER_CARGO_TARGET_DIR "${PROJECT_BINARY_DIR}/cargo" CACHE PATH "cargo's target folder")
set(ECEWO_CLUSTER_CARGO_PROFILE "" CACHE STRING "cargo's profile (empty: dev in a Debug build, else release)")
# The environment's choice is taken over once, so that a build does not change with the shell that it is started from.
set(ECEWO_CLUSTER_RUST_TARGET "$ENV{CARGO_BUILD_TARGET}" CACHE STRING "Rust's name of the target (empty: this machine)")
mark_as_advanced(ECEWO_CLUSTER_CARGO_TARGET_DIR ECEWO_CLUSTER_CARGO_PROFILE ECEWO_CLUSTER_RUST_TARGET)

# Adds the target ecewo_cluster_static or ecewo_cluster_shared (kind: STATIC or SHARED) and sets
# ECEWO_CLUSTER_<kind>_LIBRARY to the file that it makes.
function(ecewo_cluster_add_cargo_library kind)
  if(ECEWO_CLUSTER_CARGO_PROFILE)
    set(profile "${ECEWO_CLUSTER_CARGO_PROFILE}")
  elseif(CMAKE_BUILD_TYPE STREQUAL "Debug")
    set(profile dev)
  else()
    set(profile release)
  endif()
  if(profile STREQUAL "dev")
    set(built_in debug) # the one profile whose folder has another name
  else()
    set(built_in "${profile}")
  endif()

  get_filename_component(target_dir "${ECEWO_CLUSTER_CARGO_TARGET_DIR}" ABSOLUTE BASE_DIR "${CMAKE_BINARY_DIR}")
  ecewo_cluster_rust_target_arguments(target_arguments)
  set(environment "")
  set(rustc_arguments "")
  if(kind STREQUAL "STATIC")
    set(crate_type staticlib)
    set(cargo_file libecewo_cluster.a)
    set(file "${PROJECT_BINARY_DIR}/libecewo_cluster.a")
    set(target ecewo_cluster_static)
  else()
    set(crate_type cdylib)
    set(cargo_file libecewo_cluster.so)
    set(file "${PROJECT_BINARY_DIR}/libecewo_cluster.so.${ECEWO_CLUSTER_VERSION}")
    set(target ecewo_cluster_shared)
    # Here and not in build.rs: there it would also name the libraries of Rust programs that use this crate, and
    # programs linked with a plain `cargo build` of it would look for a file that cargo does not make.
    set(rustc_arguments -- -C "link-arg=-Wl,-soname,${ECEWO_CLUSTER_SONAME}")
    foreach(link "${ECEWO_CLUSTER_SONAME}" libecewo_cluster.so)
      file(CREATE_LINK "libecewo_cluster.so.${ECEWO_CLUSTER_VERSION}" "${PROJECT_BINARY_DIR}/${link}" SYMBOLIC)
    endforeach()
  endif()
  set(cargo_out "${target_dir}/${built_in}")
  if(ECEWO_CLUSTER_RUST_TARGET)
    set(cargo_out "${target_dir}/${ECEWO_CLUSTER_RUST_TARGET}/${built_in}")
    if(CMAKE_CROSSCOMPILING)
      string(TOUPPER "${ECEWO_CLUSTER_RUST_TARGET}" triple)
      string(REPLACE "-" "_" triple "${triple}")
      list(APPEND environment "CARGO_TARGET_${triple}_LINKER=${CMAKE_C_COMPILER}")
    endif()
  endif()

  set(all "")
  if(ECEWO_CLUSTER_INSTALL OR PROJECT_SOURCE_DIR STREQUAL CMAKE_SOURCE_DIR)
    set(all ALL) # elsewhere it is built when a program links it
  endif()

  # Always called: cargo knows better than CMake what has changed, and an unchanged file keeps its time, so that programs are
  # not linked again. What an earlier build left is removed, so that it is not taken for the new one. One crate type at a time, because several in one build switch link-time
  # optimization off. MAKEFLAGS would name a job server that cargo cannot reach.
  add_custom_target(${target} ${all}
    COMMAND "${CMAKE_COMMAND}" -E remove -f "${cargo_out}/${cargo_file}"
    COMMAND "${CMAKE_COMMAND}" -E env --unset=MAKEFLAGS --unset=MFLAGS --unset=CARGO_BUILD_TARGET ${environment}
            "${ECEWO_CLUSTER_CARGO}" rustc --locked --lib --crate-type ${crate_type} --profile "${profile}"
            --manifest-path "${PROJECT_SOURCE_DIR}/Cargo.toml" --target-dir "${target_dir}" ${target_arguments}
            ${rustc_arguments}
    COMMAND "${CMAKE_COMMAND}" "-DFROM=${cargo_out}/${cargo_file}" "-DTO=${file}"
            -P "${PROJECT_SOURCE_DIR}/cmake/take-library.cmake"
    BYPRODUCTS "${file}"
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
    COMMENT "Building ${cargo_file} with cargo"
    USES_TERMINAL VERBATIM)
  if(kind STREQUAL "SHARED" AND TARGET ecewo_cluster_static)
    add_dependencies(ecewo_cluster_shared ecewo_cluster_static) # two cargos would only wait for each other's lock
  endif()
  set(ECEWO_CLUSTER_${kind}_LIBRARY "${file}" PARENT_SCOPE)
endfunction()
