#!/bin/sh
# Installs the SDK into a scratch directory, static and shared, and builds the code of README.md
# and a program for each component against it outside of the tree, with CMake and with pkg-config;
# runs them.
#   package_test.sh <sdk source directory>
set -eu
source=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
launcher=
command -v ccache >/dev/null && launcher=-DCMAKE_CXX_COMPILER_LAUNCHER=ccache

# The blocks of the README: the indented fence of that language, the first one.
block() {
  sed -n "/^ *\`\`\`$1\$/,/^ *\`\`\`\$/p" "$source/README.md" | sed -e '1d' -e '/```/,$d' -e 's/^   //'
}

check_run() {
  out=$(OTEL_TRACES_EXPORTER=console OTEL_METRICS_EXPORTER=none OTEL_LOGS_EXPORTER=none "$@")
  echo "$out" | grep -q '"charge card" payment.cents=1299 payment.network=visa' ||
    { echo "unexpected output: $out"; exit 1; }
  echo "$out" | grep -q 'account.state=suspended' || { echo "unexpected output: $out"; exit 1; }
}

# What each of test/package/*.cpp shows.
check_component() { # component program
  case $1 in
    spdlog) wanted='\[trace_id=[0-9a-f]{32} span_id=[0-9a-f]{16}\] inside' ;;
    asio) wanted='"coroutine".* after=suspension' ;;
    http) wanted='"GET /users/\{id\}".* http.response.status_code=200' ;;
    http_curl) wanted='"http.connect" ERROR' ;;
    *) wanted='"GET /users/\{id\}".* user.id=7' ;;
  esac
  out=$("$2") || { echo "$1 failed: $out"; exit 1; }
  echo "$out" | grep -Eq "$wanted" || { echo "unexpected output of $1: $out"; exit 1; }
}

pkg_config() {
  PKG_CONFIG_PATH="$scratch/prefix-$kind/lib/pkgconfig" pkg-config "$@"
}

for kind in static shared; do
  shared=OFF
  [ $kind = shared ] && shared=ON
  cmake -S "$source" -B "$scratch/$kind" -G Ninja $launcher -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=-O0 \
    -DWEFT_SDK_SHARED=$shared -DCMAKE_INSTALL_PREFIX="$scratch/prefix-$kind" \
    -DCMAKE_INSTALL_LIBDIR=lib >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
  cmake --build "$scratch/$kind" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
  cmake --install "$scratch/$kind" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }

  mkdir -p "$scratch/consumer-$kind"
  block cpp >"$scratch/consumer-$kind/main.cpp"
  block cmake >"$scratch/consumer-$kind/CMakeLists.txt"
  cmake -S "$scratch/consumer-$kind" -B "$scratch/consumer-$kind/build" -G Ninja \
    -DCMAKE_PREFIX_PATH="$scratch/prefix-$kind" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
  cmake --build "$scratch/consumer-$kind/build" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
  check_run "$scratch/consumer-$kind/build/shop"

  static=
  [ $kind = static ] && static=--static
  flags=$(pkg_config $static --cflags --libs weft-exporters)
  # shellcheck disable=SC2086
  c++ -std=c++20 "$scratch/consumer-$kind/main.cpp" -o "$scratch/by-pkg-config" $flags
  LD_LIBRARY_PATH="$scratch/prefix-$kind/lib" check_run "$scratch/by-pkg-config"

  # Each component by itself. The compiler's cache keeps what both ways and kinds have in common.
  cmake -S "$source/test/package" -B "$scratch/components-$kind" -G Ninja $launcher \
    -DCMAKE_PREFIX_PATH="$scratch/prefix-$kind" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
  cmake --build "$scratch/components-$kind" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
  for component in spdlog asio http http_curl http_beast http_httplib; do
    check_component $component "$scratch/components-$kind/$component"
    flags=$(pkg_config $static --cflags --libs "weft-$(echo $component | tr _ -)")
    # shellcheck disable=SC2086
    c++ -std=c++20 "$source/test/package/$component.cpp" -o "$scratch/by-pkg-config" $flags
    LD_LIBRARY_PATH="$scratch/prefix-$kind/lib" check_component $component "$scratch/by-pkg-config"
  done
  out=$("$scratch/components-$kind/loader" "$scratch/components-$kind/libplugin.so") &&
    [ "$(echo "$out" | grep -Ec '"(loading|new) thread".* in=plugin')" = 2 ] ||
    { echo "the plug-in failed: $out"; exit 1; }
  echo "$kind: ok"
done
