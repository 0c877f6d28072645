# libfastcnn_torch: the ops' registration on torch's stable ABI. One build runs on torch 2.10 and newer.
# find_package(Torch) is not used: it would ask for a CUDA toolkit wherever torch was built with one.
set(FASTCNN_TORCH_FOUND OFF)
if(NOT FASTCNN_TORCH STREQUAL "off")
  find_package(Python 3.11 REQUIRED COMPONENTS Interpreter)
  execute_process(
    COMMAND ${Python_EXECUTABLE} -c
      "import importlib.util, pathlib; s = importlib.util.find_spec('torch'); print(pathlib.Path(s.origin).parent.as_posix() if s else '')"
    OUTPUT_VARIABLE FASTCNN_TORCH_DIR OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  if(FASTCNN_TORCH_DIR)
    set(FASTCNN_TORCH_FOUND ON)
    fastcnn_hide_folder(${FASTCNN_TORCH_DIR} torch)
  elseif(FASTCNN_TORCH STREQUAL "on")
    message(FATAL_ERROR "FASTCNN_TORCH=on, but ${Python_EXECUTABLE} has no torch")
  endif()
endif()

if(FASTCNN_TORCH_FOUND)
  file(GLOB FASTCNN_TORCH_SOURCES CONFIGURE_DEPENDS cpp/torch/*.cpp)
  add_library(fastcnn_torch SHARED ${FASTCNN_TORCH_SOURCES})
  fastcnn_add_bindings(fastcnn_torch torch)
  # The target version is 2.10: major, minor, patch, one byte each from the top.
  target_compile_definitions(fastcnn_torch PRIVATE TORCH_TARGET_VERSION=0x020a000000000000)
  # torch's own headers do not meet our warnings.
  target_include_directories(fastcnn_torch SYSTEM PRIVATE
    ${FASTCNN_TORCH_DIR}/include ${FASTCNN_TORCH_DIR}/include/torch/csrc/api/include)
  target_link_libraries(fastcnn_torch PRIVATE fastcnn $<BUILD_INTERFACE:fastcnn_flags>)
  target_link_directories(fastcnn_torch PRIVATE ${FASTCNN_TORCH_DIR}/lib)
  if(WIN32)
    target_link_libraries(fastcnn_torch PRIVATE torch torch_cpu c10)
  elseif(APPLE)
    target_link_libraries(fastcnn_torch PRIVATE -ltorch -ltorch_cpu -lc10)
  else()
    # libtorch.so is what pulls libtorch_cuda.so in where torch has it.
    target_link_libraries(fastcnn_torch PRIVATE -Wl,--push-state,--no-as-needed -ltorch -ltorch_cpu -lc10 -Wl,--pop-state)
  endif()
  list(APPEND FASTCNN_TARGETS fastcnn_torch)
endif()
message(STATUS "fastcnn: torch ${FASTCNN_TORCH_FOUND} ${FASTCNN_TORCH_DIR}")
