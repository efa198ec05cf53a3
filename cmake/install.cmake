include(CMakePackageConfigHelpers)

install(TARGETS octavo EXPORT octavo)
install(DIRECTORY include/octavo DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp" PATTERN "*.inc")

set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/octavo)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/octavoConfigVersion.cmake
  COMPATIBILITY SameMajorVersion ARCH_INDEPENDENT)
install(EXPORT octavo FILE octavoTargets.cmake NAMESPACE octavo:: DESTINATION ${package_dir})
install(FILES cmake/octavoConfig.cmake cmake/octavoComponents.cmake cmake/core.cpp cmake/kernels.cpp
  ${PROJECT_BINARY_DIR}/octavoConfigVersion.cmake
  DESTINATION ${package_dir})

# Relative to the .pc file itself, so that `cmake --install --prefix` and a moved tree stay right.
set(pkgconfig_dir ${CMAKE_INSTALL_DATADIR}/pkgconfig)
file(RELATIVE_PATH include_from_pc "${CMAKE_INSTALL_FULL_DATADIR}/pkgconfig" "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
configure_file(cmake/octavo.pc.in octavo.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/octavo.pc DESTINATION ${pkgconfig_dir})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
