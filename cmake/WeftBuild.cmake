# How every target of the project is compiled, and the three functions that the folders' own
# CMakeLists.txt call: weft_library, weft_tests and weft_benchmarks.

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # Build directories and clones share their objects, wherever they lie.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_NOHASHDIR=1
    CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} ${CCACHE_PROGRAM})
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()

find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM AND NOT WEFT_FUZZ)
  add_link_options(-fuse-ld=mold)
endif()

add_library(weft_flags INTERFACE)
target_compile_options(weft_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-qual
  -Wimplicit-fallthrough -Werror -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False positives of g++ 12 on inlined standard library code.
  target_compile_options(weft_flags INTERFACE -Wno-restrict -Wno-stringop-overflow
    -Wno-array-bounds -Wno-maybe-uninitialized -Wno-dangling-pointer)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # libstdc++ 12's own stable_sort uses the deprecated get_temporary_buffer.
  target_compile_options(weft_flags INTERFACE -Wno-deprecated-declarations)
endif()
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  # SSE4.2 and POPCNT: every x86-64 server since 2009. Wider vectors are chosen at run time.
  target_compile_options(weft_flags INTERFACE -march=x86-64-v2)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_definitions(weft_flags INTERFACE _GLIBCXX_ASSERTIONS)
endif()
# A third of a full build is tests, whose own code runs for seconds: optimising it takes longer than
# it saves. The libraries that they test are compiled as everywhere.
add_library(weft_test_flags INTERFACE)
target_compile_options(weft_test_flags INTERFACE $<$<CONFIG:RelWithDebInfo>:-O1>)
# Line tables are enough for backtraces and profiles, and keep the build small.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g")

if(WEFT_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
elseif(WEFT_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-tsan)
  endif()
  add_link_options(-fsanitize=thread)
endif()
if(WEFT_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

if(WEFT_TESTS)
  find_package(GTest REQUIRED)
endif()
if(WEFT_BENCH)
  find_package(benchmark REQUIRED)
endif()

# weft_library(<layer> [DEPENDS target...])
# The static library weft_<layer> of every *.cpp in the calling folder that is neither test nor
# benchmark nor main.cpp. Sources include each other by their path under src/. What lies in a
# subfolder testing/ becomes weft_<layer>_testing instead: fakes and generators that the tests of
# this layer and of those above link.
function(weft_library layer)
  cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "(_test|_bench|_fuzz|/main)\\.cpp$")
  set(testing_sources ${sources})
  list(FILTER testing_sources INCLUDE REGEX "/testing/")
  list(FILTER sources EXCLUDE REGEX "/testing/")
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.h)
  if(sources)
    add_library(weft_${layer} STATIC ${sources} ${headers})
    set(visibility PUBLIC)
  else()
    add_library(weft_${layer} INTERFACE ${headers})
    set(visibility INTERFACE)
  endif()
  target_include_directories(weft_${layer} ${visibility} ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(weft_${layer} ${visibility} ${ARG_DEPENDS} weft_flags)
  if(testing_sources)
    add_library(weft_${layer}_testing STATIC EXCLUDE_FROM_ALL ${testing_sources})
    target_link_libraries(weft_${layer}_testing PUBLIC weft_${layer} PRIVATE weft_test_flags)
    set_property(GLOBAL APPEND PROPERTY WEFT_TESTING_LIBRARIES weft_${layer}_testing)
  endif()
endfunction()

# weft_tests(<layer> [DEPENDS target...])
# One GoogleTest program weft_<layer>_test of every *_test.cpp in the calling folder, run by ctest.
function(weft_tests layer)
  if(NOT WEFT_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_test.cpp)
  if(NOT sources)
    return()
  endif()
  get_property(testing_libraries GLOBAL PROPERTY WEFT_TESTING_LIBRARIES)
  add_executable(weft_${layer}_test ${sources})
  target_link_libraries(weft_${layer}_test PRIVATE weft_${layer} ${ARG_DEPENDS}
    ${testing_libraries} weft_flags weft_test_flags
    GTest::gtest GTest::gmock GTest::gtest_main)
  add_test(NAME ${layer} COMMAND weft_${layer}_test)
  set_tests_properties(${layer} PROPERTIES
    TIMEOUT 900 LABELS unit
    ENVIRONMENT "WEFT_SOURCE_DIR=${PROJECT_SOURCE_DIR};WEFT_BINARY_DIR=${PROJECT_BINARY_DIR}")
endfunction()

# weft_benchmarks(<layer> [DEPENDS target...])
# One Google Benchmark program weft_<layer>_bench of every *_bench.cpp in the calling folder.
function(weft_benchmarks layer)
  if(NOT WEFT_BENCH)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_bench.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(weft_${layer}_bench ${sources})
  target_link_libraries(weft_${layer}_bench PRIVATE weft_${layer} ${ARG_DEPENDS} weft_flags
    benchmark::benchmark benchmark::benchmark_main)
endfunction()

# weft_fuzzer(<name> <source> [DEPENDS target...])
# With WEFT_FUZZ a libFuzzer program weft_fuzz_<name>. With WEFT_TESTS, and any compiler, a test
# fuzz_<name> that gives the same target its corpus, corpus/<name>/ beside the calling
# CMakeLists.txt, and a bounded number of mutations of it (fuzz/replay_main.cpp).
function(weft_fuzzer name source)
  cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
  if(WEFT_FUZZ)
    add_executable(weft_fuzz_${name} ${source})
    target_link_libraries(weft_fuzz_${name} PRIVATE ${ARG_DEPENDS} weft_flags)
    target_link_options(weft_fuzz_${name} PRIVATE -fsanitize=fuzzer)
  elseif(WEFT_TESTS)
    add_executable(weft_fuzz_replay_${name} ${source} ${PROJECT_SOURCE_DIR}/fuzz/replay_main.cpp)
    target_link_libraries(weft_fuzz_replay_${name} PRIVATE ${ARG_DEPENDS} weft_flags)
    add_test(NAME fuzz_${name}
      COMMAND weft_fuzz_replay_${name} ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name})
    set_tests_properties(fuzz_${name} PROPERTIES LABELS fuzz TIMEOUT 900)
  endif()
endfunction()
