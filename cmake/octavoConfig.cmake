# find_package(octavo) gives octavo::octavo and octavo::<component> for each of json, images, openmp, onednn and kernels
# that can be had; with COMPONENTS only those, each of which must be there. octavo_<component>_FOUND says which are.
include(CMakeFindDependencyMacro)
find_dependency(xsimd)
include(${CMAKE_CURRENT_LIST_DIR}/octavoTargets.cmake)

set(octavo_components ${octavo_FIND_COMPONENTS})
include(${CMAKE_CURRENT_LIST_DIR}/octavoComponents.cmake)
foreach(component IN LISTS octavo_components)
  set(octavo_${component}_FOUND FALSE)
  if(TARGET octavo::${component})
    set(octavo_${component}_FOUND TRUE)
  elseif(octavo_FIND_REQUIRED_${component})
    set(octavo_FOUND FALSE)
    if(octavo_${component}_needs)
      string(APPEND octavo_NOT_FOUND_MESSAGE
        "octavo's component '${component}' needs ${octavo_${component}_needs}, which was not found. ")
    else()
      string(APPEND octavo_NOT_FOUND_MESSAGE
        "octavo has no component '${component}': expected json, images, openmp, onednn or kernels. ")
    endif()
  endif()
endforeach()
