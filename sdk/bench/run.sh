#!/usr/bin/env bash
# What the SDK costs, all of it: the table of times beside the machine's floors, what including the
# API costs to compile, a Beast server with and without the middleware under wrk (where that is
# installed), and instructions by callgrind (where valgrind is installed).
#   sdk/bench/run.sh path/to/weft_sdk_bench [options of the table]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bench=${1:?usage: run.sh path/to/weft_sdk_bench}
shift
"$bench" "$@"
[ $# -eq 0 ] || exit 0 # a table for programs, or one case alone

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
echo '#include <weft/tracer.h>' >"$scratch/include.cpp"
# Of five, the least disturbed; processor time, which other programs beside do not lengthen as much.
best=
for _ in 1 2 3 4 5; do
  seconds=$({ TIMEFORMAT='%U %S'; time c++ -std=c++20 -O0 -I"$here/../include" -c "$scratch/include.cpp" \
    -o "$scratch/include.o"; } 2>&1 | awk '{print $1 + $2}')
  if [ -z "$best" ] || awk "BEGIN {exit !($seconds < $best)}"; then best=$seconds; fi
done
lines=$(c++ -std=c++20 -I"$here/../include" -E -P "$scratch/include.cpp" | wc -l)
foreign=$(c++ -std=c++20 -I"$here/../include" -M "$scratch/include.cpp" | tr ' ' '\n' | grep '\.h' |
  grep -vc -e '^/usr/include/c++/' -e '^/usr/include/x86_64-linux-gnu/' -e '^/usr/lib/gcc/' \
    -e "^$here/../include/weft/" -e '^/usr/include/[a-z0-9_-]*\.h' -e '^/usr/include/\(linux\|asm\|bits\|sys\|gnu\|asm-generic\)/' || true)
printf '\n%-36s %6.2f s %20s  %s lines, %s third-party headers\n' 'compiling #include <weft/tracer.h>' \
  "$best" '<= 0.5 s' "$lines" "$foreign"

beast=$(dirname "$bench")/weft_sdk_beast_bench
if [ -x "$beast" ]; then
  echo
  "$beast"
fi

if command -v valgrind >/dev/null; then
  echo
  "$here/callgrind.sh" "$bench" "$beast"
else
  echo 'instructions are not counted: valgrind is not installed'
fi
