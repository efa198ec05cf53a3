# cmake -DCOMPILER=<c++> -DSOURCE=<file.cpp> -DINCLUDE_DIRS=<a:b> -DFLAGS=<a:b> -DEXPECTED=<text> -DPROGRAM=<file>
#   -P refused_flags.cmake
#
# Passes if EXPECTED is what the compiler says of SOURCE with FLAGS where it refuses it, else what the program says.

string(REPLACE ":" ";" include_dirs "${INCLUDE_DIRS}")
list(TRANSFORM include_dirs PREPEND -I)
string(REPLACE ":" ";" flags "${FLAGS}")
execute_process(COMMAND ${COMPILER} -std=c++20 -O1 -Wfatal-errors ${flags} ${include_dirs} ${SOURCE} -o ${PROGRAM}
  RESULT_VARIABLE result ERROR_VARIABLE output)
if(result EQUAL 0)
  execute_process(COMMAND ${PROGRAM} OUTPUT_VARIABLE output)
endif()
string(FIND "${output}" "${EXPECTED}" position)
if(position EQUAL -1)
  message(FATAL_ERROR "with '${FLAGS}' expected '${EXPECTED}', found\n${output}")
endif()
