# contract 1: compiles the header (header/layout.*) with every compiler and in every language version that the contract names.
#   cmake -DINCLUDE_DIR=... -DSOURCE_DIR=... -DC_COMPILERS="a|b" -DCXX_COMPILERS="a|b" -P compile.cmake
cmake_minimum_required(VERSION 3.14)
set(warnings -Wall -Wextra -Wpedantic -Werror)
set(failures 0)
set(done 0)

# The newest standard has a draft name with older compilers: the first spelling that the compiler knows is taken.
function(pick_spelling compiler language spellings result)
  string(REPLACE "|" ";" spellings "${spellings}")
  foreach(spelling IN LISTS spellings)
    execute_process(COMMAND "${compiler}" -std=${spelling} -x ${language} -fsyntax-only /dev/null
      RESULT_VARIABLE code OUTPUT_QUIET ERROR_QUIET)
    if(code EQUAL 0)
      set(${result} ${spelling} PARENT_SCOPE)
      return()
    endif()
  endforeach()
  set(${result} "" PARENT_SCOPE)
endfunction()

macro(compile_all compilers language file standards)
  string(REPLACE "|" ";" compiler_list "${compilers}")
  foreach(compiler IN LISTS compiler_list)
    foreach(spellings ${standards})
      pick_spelling("${compiler}" ${language} "${spellings}" standard)
      if(NOT standard)
        message(SEND_ERROR "${compiler} knows none of ${spellings}")
        math(EXPR failures "${failures} + 1")
        continue()
      endif()
      foreach(definition "" -DECEWO_CLUSTER_ZERO_ON_SUCCESS)
        execute_process(
          COMMAND "${compiler}" -std=${standard} ${warnings} ${definition} -I "${INCLUDE_DIR}" -fsyntax-only "${SOURCE_DIR}/${file}"
          RESULT_VARIABLE code ERROR_VARIABLE errors)
        math(EXPR done "${done} + 1")
        if(NOT code EQUAL 0)
          message(SEND_ERROR "${compiler} -std=${standard} ${definition}:\n${errors}")
          math(EXPR failures "${failures} + 1")
        endif()
      endforeach()
    endforeach()
  endforeach()
endmacro()

compile_all("${C_COMPILERS}" c layout.c "c99;c11;c17;c23|c2x")
compile_all("${CXX_COMPILERS}" c++ layout.cpp "c++11;c++17;c++20|c++2a")
if(NOT C_COMPILERS MATCHES "clang")
  message(STATUS "clang is not installed: checked with \"${C_COMPILERS}\" only")
endif()

# Nothing else may be included.
file(STRINGS "${INCLUDE_DIR}/ecewo-cluster.h" includes REGEX "^[ \t]*#[ \t]*include")
foreach(line IN LISTS includes)
  if(NOT line MATCHES "<(stdbool|stdint|time)\\.h>")
    message(SEND_ERROR "the header may not have this line: ${line}")
    math(EXPR failures "${failures} + 1")
  endif()
endforeach()

if(failures GREATER 0)
  message(FATAL_ERROR "${failures} failures in ${done} compilations")
endif()
message(STATUS "${done} compilations without a warning")
