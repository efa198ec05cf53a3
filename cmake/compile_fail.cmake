# cmake -DCOMPILER=<c++> -DINCLUDE_DIRS=<a:b> -DHEADER=<file.hpp> -DINCLUDED=<octavo/...> -P compile_fail.cmake
# cmake -DCOMPILER=<c++> -DINCLUDE_DIRS=<a:b> -DHEADER=<file.hpp> -DSOURCE=<file.cpp> -P compile_fail.cmake
#
# The first writes HEADER, which includes INCLUDED, and precompiles it: most of the time goes into reading that.
#
# The second passes if SOURCE compiles after HEADER, and if with -DOCTAVO_COMPILE_FAIL it does not: then there must be
# exactly one failed static assertion, and the output must hold the sentence of the line `// expected: <sentence>` in
# SOURCE.

string(REPLACE ":" ";" include_dirs "${INCLUDE_DIRS}")
list(TRANSFORM include_dirs PREPEND -I)
# Units that link octavo::kernels have the same assertions, and less to read.
set(compile ${COMPILER} -std=c++20 -DOCTAVO_COMPILED_KERNELS ${include_dirs})

if(INCLUDED)
  file(WRITE "${HEADER}" "#include \"${INCLUDED}\"\n")
  execute_process(COMMAND ${compile} -x c++-header "${HEADER}" -o "${HEADER}.gch" COMMAND_ERROR_IS_FATAL ANY)
  return()
endif()

file(STRINGS "${SOURCE}" expected REGEX "^// expected: ")
string(REPLACE "// expected: " "" expected "${expected}")
if(expected STREQUAL "")
  message(FATAL_ERROR "${SOURCE}: has no line '// expected: <sentence>'")
endif()

list(APPEND compile -include "${HEADER}" -fsyntax-only)
set(ENV{LC_ALL} C)  # the messages below are matched in English

execute_process(COMMAND ${compile} ${SOURCE} RESULT_VARIABLE result ERROR_VARIABLE output)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${SOURCE}: must compile without OCTAVO_COMPILE_FAIL\n${output}")
endif()

execute_process(COMMAND ${compile} -DOCTAVO_COMPILE_FAIL ${SOURCE} RESULT_VARIABLE result ERROR_VARIABLE output)
if(result EQUAL 0)
  message(FATAL_ERROR "${SOURCE}: must not compile with OCTAVO_COMPILE_FAIL")
endif()
string(REGEX MATCHALL "error: static[_ ]assert" assertions "${output}")
list(LENGTH assertions count)
string(FIND "${output}" "${expected}" position)
if(NOT count EQUAL 1 OR position EQUAL -1)
  message(FATAL_ERROR "${SOURCE}: expected one failed static assertion, found ${count}; it must say\n"
    "  ${expected}\n${output}")
endif()
