# The optional parts of Octavo: for each name in octavo_components, or for all if it is empty, a target octavo::<name> if
# what it needs is found. The build and the installed package both include this file, so that both offer the same targets.
#
#   octavo::json     safetensors files and kernel choices: nlohmann-json
#   octavo::onnx     importing ONNX files: libprotobuf
#   octavo::paddle   importing PaddlePaddle files: libprotobuf
#   octavo::images   reading image files: stb_image, and libjpeg where there is one (OCTAVO_HAS_LIBJPEG)
#   octavo::openmp   running a session on OpenMP threads
#   octavo::onednn   the backend that calls oneDNN (OCTAVO_HAS_ONEDNN)
#   octavo::kernels  the native kernels compiled once, in the project that asks for them, and with its flags
#                    (OCTAVO_COMPILED_KERNELS)

set(octavo_json_needs "nlohmann-json (Debian: nlohmann-json3-dev)")
set(octavo_onnx_needs "libprotobuf (Debian: libprotobuf-dev)")
set(octavo_paddle_needs "libprotobuf (Debian: libprotobuf-dev)")
set(octavo_images_needs "stb (Debian: libstb-dev)")
set(octavo_openmp_needs "OpenMP for C++ (Debian: libomp-dev for clang; g++ has it)")
set(octavo_onednn_needs "oneDNN (Debian: libdnnl-dev)")
set(octavo_kernels_sources ${CMAKE_CURRENT_LIST_DIR}/core.cpp ${CMAKE_CURRENT_LIST_DIR}/kernels.cpp)
if(NOT octavo_components)
  set(octavo_components json onnx paddle images openmp onednn kernels)
endif()

function(octavo_add_component name)
  cmake_parse_arguments(arg "" "" "INCLUDE;LINK;DEFINE" ${ARGN})
  add_library(octavo::${name} INTERFACE IMPORTED ${octavo_component_scope})
  target_include_directories(octavo::${name} INTERFACE ${arg_INCLUDE})
  target_link_libraries(octavo::${name} INTERFACE octavo::octavo ${arg_LINK})
  target_compile_definitions(octavo::${name} INTERFACE ${arg_DEFINE})
endfunction()

if("json" IN_LIST octavo_components AND NOT TARGET octavo::json)
  if(NOT TARGET nlohmann_json::nlohmann_json)
    find_package(nlohmann_json QUIET)
    if(TARGET nlohmann_json::nlohmann_json AND octavo_component_scope)
      set_target_properties(nlohmann_json::nlohmann_json PROPERTIES IMPORTED_GLOBAL TRUE)
    endif()
  endif()
  if(TARGET nlohmann_json::nlohmann_json)
    octavo_add_component(json LINK nlohmann_json::nlohmann_json)
  endif()
endif()

foreach(format IN ITEMS onnx paddle)
  if("${format}" IN_LIST octavo_components AND NOT TARGET octavo::${format})
    # Only its reader of the wire format: files are read without generated code.
    find_path(OCTAVO_PROTOBUF_INCLUDE_DIR google/protobuf/io/coded_stream.h)
    find_library(OCTAVO_PROTOBUF_LIBRARY NAMES protobuf-lite protobuf)
    mark_as_advanced(OCTAVO_PROTOBUF_INCLUDE_DIR OCTAVO_PROTOBUF_LIBRARY)
    if(OCTAVO_PROTOBUF_INCLUDE_DIR AND OCTAVO_PROTOBUF_LIBRARY)
      octavo_add_component(${format} INCLUDE ${OCTAVO_PROTOBUF_INCLUDE_DIR} LINK ${OCTAVO_PROTOBUF_LIBRARY})
    endif()
  endif()
endforeach()

if("images" IN_LIST octavo_components AND NOT TARGET octavo::images)
  find_path(OCTAVO_STB_INCLUDE_DIR stb/stb_image.h)
  find_library(OCTAVO_STB_LIBRARY stb)
  mark_as_advanced(OCTAVO_STB_INCLUDE_DIR OCTAVO_STB_LIBRARY)
  if(OCTAVO_STB_INCLUDE_DIR AND OCTAVO_STB_LIBRARY)
    octavo_add_component(images INCLUDE ${OCTAVO_STB_INCLUDE_DIR} LINK ${OCTAVO_STB_LIBRARY})
    # Not find_package(JPEG): its target would not be seen by a project that adds this folder as a subdirectory.
    find_path(OCTAVO_JPEG_INCLUDE_DIR jpeglib.h)
    find_library(OCTAVO_JPEG_LIBRARY jpeg)
    mark_as_advanced(OCTAVO_JPEG_INCLUDE_DIR OCTAVO_JPEG_LIBRARY)
    if(OCTAVO_JPEG_INCLUDE_DIR AND OCTAVO_JPEG_LIBRARY)
      target_include_directories(octavo::images INTERFACE ${OCTAVO_JPEG_INCLUDE_DIR})
      target_link_libraries(octavo::images INTERFACE ${OCTAVO_JPEG_LIBRARY})
      target_compile_definitions(octavo::images INTERFACE OCTAVO_HAS_LIBJPEG)
    endif()
  endif()
endif()

if("openmp" IN_LIST octavo_components AND NOT TARGET octavo::openmp)
  find_package(OpenMP QUIET COMPONENTS CXX)
  if(OpenMP_CXX_FOUND)
    separate_arguments(octavo_openmp_flags NATIVE_COMMAND "${OpenMP_CXX_FLAGS}")
    octavo_add_component(openmp INCLUDE ${OpenMP_CXX_INCLUDE_DIRS} LINK ${OpenMP_CXX_LIBRARIES})
    target_compile_options(octavo::openmp INTERFACE ${octavo_openmp_flags})
  endif()
endif()

if("onednn" IN_LIST octavo_components AND NOT TARGET octavo::onednn)
  # Not find_package(dnnl): a build of oneDNN for OpenCL stops the configuration where OpenCL's headers are missing,
  # and a CPU program does not need them.
  find_path(OCTAVO_ONEDNN_INCLUDE_DIR dnnl.hpp)
  find_library(OCTAVO_ONEDNN_LIBRARY dnnl)
  mark_as_advanced(OCTAVO_ONEDNN_INCLUDE_DIR OCTAVO_ONEDNN_LIBRARY)
  if(OCTAVO_ONEDNN_INCLUDE_DIR AND OCTAVO_ONEDNN_LIBRARY)
    # The backend tells a oneDNN that was built for OpenMP how many threads to use.
    find_package(OpenMP QUIET COMPONENTS CXX)
    octavo_add_component(onednn
      INCLUDE ${OCTAVO_ONEDNN_INCLUDE_DIR} ${OpenMP_CXX_INCLUDE_DIRS}
      LINK ${OCTAVO_ONEDNN_LIBRARY} ${OpenMP_CXX_LIBRARIES} DEFINE OCTAVO_HAS_ONEDNN)
  endif()
endif()

if("kernels" IN_LIST octavo_components AND NOT TARGET octavo::kernels)
  add_library(octavo_kernels STATIC EXCLUDE_FROM_ALL ${octavo_kernels_sources})
  set_target_properties(octavo_kernels PROPERTIES POSITION_INDEPENDENT_CODE TRUE)
  target_link_libraries(octavo_kernels PUBLIC octavo::octavo)
  target_compile_definitions(octavo_kernels INTERFACE OCTAVO_COMPILED_KERNELS)
  add_library(octavo::kernels ALIAS octavo_kernels)
endif()

foreach(component IN LISTS octavo_components)
  if(NOT TARGET octavo::${component} AND NOT octavo_FIND_QUIETLY AND NOT octavo_FIND_REQUIRED_${component})
    message(STATUS "Octavo: no octavo::${component}, which needs ${octavo_${component}_needs}")
  endif()
endforeach()
