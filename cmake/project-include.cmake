# The installed package for a project that does not ask for it by find_package: its app says ecewo_plugin(cluster) and is
# configured with -DCMAKE_PROJECT_INCLUDE=<this file>. CMake reads it at the end of every project(). ecewo's functions do
# nothing where the target exists already.
if(NOT TARGET ecewo::cluster)
  find_package(ecewo-cluster CONFIG REQUIRED PATHS "${CMAKE_CURRENT_LIST_DIR}" NO_DEFAULT_PATH)
endif()
