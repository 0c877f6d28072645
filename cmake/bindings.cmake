# fastcnn_add_bindings(TARGET FRONT): compiles every adapter, cpp/bindings/<family>.h, for a front, torch or python.
file(GLOB FASTCNN_ADAPTERS CONFIGURE_DEPENDS cpp/bindings/*.h)
list(FILTER FASTCNN_ADAPTERS EXCLUDE REGEX "/front\\.h$")

function(fastcnn_add_bindings target front)
  foreach(file IN LISTS FASTCNN_ADAPTERS)
    get_filename_component(family ${file} NAME_WE)
    set(source ${CMAKE_CURRENT_BINARY_DIR}/bindings/${family}_${front}.cpp)
    configure_file(cpp/${front}/family.cpp.in ${source} @ONLY)
    target_sources(${target} PRIVATE ${source})
  endforeach()
  target_include_directories(${target} PRIVATE cpp cpp/${front})
endfunction()
