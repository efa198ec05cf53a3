# cmake -DPROGRAM=<benchmark> -DFILTER=<regex> -DNETWORKS=<names> -DCOUNTERS=<a,b> -DPLOT=<plot> -DFILE=<json> -P smoke_test.cmake
# Runs a benchmark and fails unless its JSON has the counters, all above 0, and a chart can be drawn from it.
cmake_minimum_required(VERSION 3.22)

execute_process(COMMAND ${PROGRAM} --networks=${NETWORKS} --seconds=0 --benchmark_filter=${FILTER}
  --benchmark_out=${FILE} --benchmark_out_format=json COMMAND_ERROR_IS_FATAL ANY)
file(READ ${FILE} json)

function(check_number)
  string(JSON value ERROR_VARIABLE failure GET "${json}" ${ARGN})
  if(failure OR NOT value GREATER 0)
    message(FATAL_ERROR "${FILE}: ${ARGN} is '${value}', expected a number above 0")
  endif()
endfunction()

check_number(context read_gbs_memory)
string(JSON count LENGTH "${json}" benchmarks)
if(count EQUAL 0)
  message(FATAL_ERROR "${FILE}: no benchmark matches ${FILTER}")
endif()
math(EXPR last "${count} - 1")
string(REPLACE "," ";" COUNTERS "${COUNTERS}")
foreach(i RANGE ${last})
  foreach(counter IN LISTS COUNTERS)
    check_number(benchmarks ${i} ${counter})
  endforeach()
endforeach()

if("ratio" IN_LIST COUNTERS)
  execute_process(COMMAND ${PLOT} ${FILE} ${FILE}.svg COMMAND_ERROR_IS_FATAL ANY)
  file(READ ${FILE}.svg chart)
  if(NOT chart MATCHES "^<svg .*</svg>\n$")
    message(FATAL_ERROR "${FILE}.svg is no chart")
  endif()
endif()
