# octavo_embed_file(<target> <file> <name>) compiles the file's bytes into the target, which includes "<name>.hpp":
#
#   namespace octavo::example { std::span<const std::byte> <name>(); }
#
# Run as a script (cmake -P), this file writes the source.

if(CMAKE_SCRIPT_MODE_FILE)
  file(READ "${FILE}" bytes HEX)
  # A string literal compiles in a tenth of the time of a list of numbers.
  string(REGEX REPLACE "(................................)" "\\1\"\n\"" bytes "${bytes}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" bytes "${bytes}")
  file(WRITE "${OUTPUT}" "#include \"${NAME}.hpp\"

// Aligned, so that the tensors in the file can be used in place.
alignas(64) static constexpr char bytes[] =
\"${bytes}\";

// The literal ends with a zero byte that is not part of the file.
std::span<const std::byte> octavo::example::${NAME}() { return std::as_bytes(std::span(bytes, sizeof(bytes) - 1)); }
")
  return()
endif()

set(octavo_embed_script ${CMAKE_CURRENT_LIST_FILE})

function(octavo_embed_file target file name)
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/${target}_files)
  get_filename_component(file ${file} ABSOLUTE)
  get_filename_component(file_name ${file} NAME)
  file(CONFIGURE OUTPUT ${folder}/${name}.hpp @ONLY CONTENT [[
#pragma once

#include <cstddef>
#include <span>

namespace octavo::example {

/// The bytes of @file_name@.
std::span<const std::byte> @name@();

}  // namespace octavo::example
]])
  add_custom_command(OUTPUT ${folder}/${name}.cpp DEPENDS ${file} ${octavo_embed_script} VERBATIM
    COMMAND ${CMAKE_COMMAND} -DFILE=${file} -DNAME=${name} -DOUTPUT=${folder}/${name}.cpp -P ${octavo_embed_script})
  target_sources(${target} PRIVATE ${folder}/${name}.cpp)
  target_include_directories(${target} PRIVATE ${folder})
endfunction()
