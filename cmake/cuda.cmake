# libfastcnn_cuda: kernels and a static cudart. Where it is loaded it fills the families' tables. nvcc is all that a build
# needs.
set(FASTCNN_CUDA_FOUND OFF)
file(GLOB FASTCNN_CUDA_SOURCES CONFIGURE_DEPENDS cpp/src/ops/*/*.cu)
if(NOT FASTCNN_CUDA STREQUAL "off" AND FASTCNN_CUDA_SOURCES)
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(FASTCNN_CUDA_FOUND ON)
  elseif(FASTCNN_CUDA STREQUAL "on")
    message(FATAL_ERROR "FASTCNN_CUDA=on, but no CUDA compiler was found")
  endif()
endif()

if(FASTCNN_CUDA_FOUND)
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    # One architecture by default. PTX of 8.0 runs on it and on everything newer; wheels name the full list.
    execute_process(COMMAND nvidia-smi OUTPUT_QUIET ERROR_QUIET RESULT_VARIABLE FASTCNN_NO_GPU)
    if(FASTCNN_NO_GPU)
      set(CMAKE_CUDA_ARCHITECTURES 80)
    else()
      set(CMAKE_CUDA_ARCHITECTURES native)
    endif()
  endif()
  enable_language(CUDA)
  set(CMAKE_CUDA_STANDARD 17)
  set(CMAKE_CUDA_RUNTIME_LIBRARY Static)

  add_library(fastcnn_cuda SHARED ${FASTCNN_CUDA_SOURCES})
  target_compile_definitions(fastcnn_cuda PRIVATE FASTCNN_BUILDING)
  # Without fused multiply-add, as on the CPU: results would differ otherwise.
  target_compile_options(fastcnn_cuda PRIVATE -fmad=false -Werror=all-warnings --expt-relaxed-constexpr)
  target_include_directories(fastcnn_cuda PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/cpp/include> PRIVATE cpp/src)
  target_link_libraries(fastcnn_cuda PUBLIC fastcnn)

  list(APPEND FASTCNN_TARGETS fastcnn_cuda)
endif()
message(STATUS "fastcnn: CUDA ${FASTCNN_CUDA_FOUND} ${CMAKE_CUDA_COMPILER} ${CMAKE_CUDA_ARCHITECTURES}")
