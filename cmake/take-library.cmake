# A script: takes what cargo has made. FROM, TO: files; TO keeps its time if it is the same already.
if(NOT EXISTS "${FROM}")
  message(FATAL_ERROR "ecewo-cluster: cargo has not made ${FROM}. If a configuration file of cargo's sets build.target, say "
    "-DECEWO_CLUSTER_RUST_TARGET=<that target> when you configure.")
endif()
execute_process(COMMAND "${CMAKE_COMMAND}" -E copy_if_different "${FROM}" "${TO}" RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "ecewo-cluster: ${FROM} could not be copied to ${TO}")
endif()
