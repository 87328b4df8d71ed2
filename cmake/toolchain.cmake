# Finds cargo and asks the Rust toolchain what the build has to know about it.

set(ECEWO_CLUSTER_MINIMUM_RUST 1.85)

# The platforms of the contract. The Rust sources refuse others too, but only minutes later.
function(ecewo_cluster_require_platform)
  if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux" OR NOT CMAKE_SIZEOF_VOID_P EQUAL 8)
    message(FATAL_ERROR "ecewo-cluster supports 64-bit Linux; this build is for ${CMAKE_SYSTEM_NAME} with "
      "pointers of ${CMAKE_SIZEOF_VOID_P} bytes.")
  endif()
  if(CMAKE_CROSSCOMPILING AND NOT ECEWO_CLUSTER_RUST_TARGET AND "$ENV{CARGO_BUILD_TARGET}" STREQUAL "")
    message(FATAL_ERROR "ecewo-cluster: cross compiling needs Rust's name of the target, for example "
      "-DECEWO_CLUSTER_RUST_TARGET=aarch64-unknown-linux-gnu (and that target installed: rustup target add ...).")
  endif()
endfunction()

# Sets the cache variables ECEWO_CLUSTER_CARGO and ECEWO_CLUSTER_RUSTC, or stops.
function(ecewo_cluster_find_cargo)
  # rustup installs here, and a shell started before it did does not have it on its PATH. What is on PATH comes first.
  set(folders "$ENV{HOME}/.cargo/bin")
  if(NOT "$ENV{CARGO_HOME}" STREQUAL "")
    set(folders "$ENV{CARGO_HOME}/bin")
  endif()
  find_program(ECEWO_CLUSTER_CARGO cargo PATHS "${folders}" DOC "The cargo that builds ecewo-cluster")
  if(NOT ECEWO_CLUSTER_CARGO)
    message(FATAL_ERROR "ecewo-cluster is written in Rust: building it needs cargo ${ECEWO_CLUSTER_MINIMUM_RUST} or "
      "newer, and no cargo was found. Install Rust (with rustup, or the system's package manager), or name "
      "the program: -DECEWO_CLUSTER_CARGO=/path/to/cargo")
  endif()
  get_filename_component(folder "${ECEWO_CLUSTER_CARGO}" DIRECTORY)
  find_program(ECEWO_CLUSTER_RUSTC rustc HINTS "${folder}" DOC "The rustc beside that cargo")
  mark_as_advanced(ECEWO_CLUSTER_CARGO ECEWO_CLUSTER_RUSTC)
  if(NOT ECEWO_CLUSTER_RUSTC)
    message(FATAL_ERROR "ecewo-cluster: ${ECEWO_CLUSTER_CARGO} is there, but no rustc. "
      "Name it: -DECEWO_CLUSTER_RUSTC=/path/to/rustc")
  endif()

  foreach(tool CARGO RUSTC)
    # In the source folder, because a rust-toolchain file there decides which toolchain answers.
    execute_process(COMMAND "${ECEWO_CLUSTER_${tool}}" --version WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
      RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE error OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT result EQUAL 0 OR NOT output MATCHES "^[a-z]+ ([0-9]+\\.[0-9]+\\.[0-9]+)")
      message(FATAL_ERROR "ecewo-cluster: '${ECEWO_CLUSTER_${tool}} --version' does not work: ${output}${error}")
    endif()
    if(CMAKE_MATCH_1 VERSION_LESS ECEWO_CLUSTER_MINIMUM_RUST)
      message(FATAL_ERROR "ecewo-cluster needs Rust ${ECEWO_CLUSTER_MINIMUM_RUST} or newer; "
        "${ECEWO_CLUSTER_${tool}} is ${output}. Update it (rustup update stable), or name a newer one: "
        "-DECEWO_CLUSTER_${tool}=/path/to/it")
    endif()
    set(ECEWO_CLUSTER_${tool}_VERSION "${output}" PARENT_SCOPE)
  endforeach()
endfunction()

# The version stands in Cargo.toml and nowhere else.
function(ecewo_cluster_read_version out)
  set(manifest "${PROJECT_SOURCE_DIR}/Cargo.toml")
  set_property(DIRECTORY "${PROJECT_SOURCE_DIR}" APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${manifest}")
  file(STRINGS "${manifest}" lines REGEX "^version *= *\"")
  if(NOT lines MATCHES "^version *= *\"([0-9]+)\\.([0-9]+)\\.([0-9]+)")
    message(FATAL_ERROR "ecewo-cluster: no version found in ${manifest}")
  endif()
  set(${out} "${CMAKE_MATCH_1}.${CMAKE_MATCH_2}.${CMAKE_MATCH_3}" PARENT_SCOPE)
  set(ECEWO_CLUSTER_SONAME "libecewo_cluster.so.${CMAKE_MATCH_1}" PARENT_SCOPE)
endfunction()

# What a static library needs from the system, for example "util;rt;pthread;m;dl", as rustc reports it. Less gcc_s,
# which would break -static, and c: the C compiler adds what it needs of these two by itself.
function(ecewo_cluster_query_native_libraries out)
  ecewo_cluster_rust_target_arguments(target_arguments)
  # One question for each toolchain and target: the answer costs most of a second.
  set(question "${ECEWO_CLUSTER_RUSTC} ${ECEWO_CLUSTER_RUSTC_VERSION} ${target_arguments}")
  if(NOT ECEWO_CLUSTER_NATIVE_QUESTION STREQUAL question)
    set(folder "${PROJECT_BINARY_DIR}/native-libraries")
    file(MAKE_DIRECTORY "${folder}")
    file(WRITE "${folder}/empty.rs" "")
    execute_process(
      COMMAND "${ECEWO_CLUSTER_RUSTC}" --crate-type staticlib --print native-static-libs
              ${target_arguments} -o "${folder}/empty.a" "${folder}/empty.rs"
      WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
      RESULT_VARIABLE result OUTPUT_VARIABLE answer ERROR_VARIABLE answer)
    file(REMOVE "${folder}/empty.a")
    if(NOT result EQUAL 0 OR NOT answer MATCHES "native-static-libs:([^\n]*)")
      message(FATAL_ERROR "ecewo-cluster: ${ECEWO_CLUSTER_RUSTC} cannot build for this target:\n${answer}")
    endif()
    string(STRIP "${CMAKE_MATCH_1}" names)
    string(REGEX REPLACE " +" ";" names "${names}")
    list(TRANSFORM names REPLACE "^-l" "")
    list(REMOVE_ITEM names gcc_s c)
    list(REMOVE_DUPLICATES names)
    set(ECEWO_CLUSTER_NATIVE_QUESTION "${question}" CACHE INTERNAL "")
    set(ECEWO_CLUSTER_NATIVE_ANSWER "${names}" CACHE INTERNAL "")
  endif()
  set(${out} "${ECEWO_CLUSTER_NATIVE_ANSWER}" PARENT_SCOPE)
endfunction()

# Whether this Rust target makes shared libraries: those that link the C library statically (musl, as rustup
# delivers it) do not.
function(ecewo_cluster_can_build_shared out)
  ecewo_cluster_rust_target_arguments(target_arguments)
  separate_arguments(flags UNIX_COMMAND "$ENV{RUSTFLAGS}")
  execute_process(COMMAND "${ECEWO_CLUSTER_RUSTC}" --print cfg ${target_arguments} ${flags}
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}" OUTPUT_VARIABLE cfg ERROR_QUIET)
  if(cfg MATCHES "target_env=\"musl\"" AND cfg MATCHES "target_feature=\"crt-static\"")
    set(${out} FALSE PARENT_SCOPE)
  else()
    set(${out} TRUE PARENT_SCOPE)
  endif()
endfunction()

# "--target NAME" where one was asked for, else nothing.
function(ecewo_cluster_rust_target_arguments out)
  if(ECEWO_CLUSTER_RUST_TARGET)
    set(${out} --target "${ECEWO_CLUSTER_RUST_TARGET}" PARENT_SCOPE)
  else()
    set(${out} "" PARENT_SCOPE)
  endif()
endfunction()
