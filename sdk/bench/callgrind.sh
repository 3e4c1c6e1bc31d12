#!/bin/sh
# Instructions an operation, which repeat from run to run where times do not:
#   sdk/bench/callgrind.sh path/to/weft_sdk_bench path/to/weft_sdk_beast_bench
# Each case runs twice, and the difference between the counts leaves out what starting costs.
set -eu
usage="usage: callgrind.sh path/to/weft_sdk_bench [path/to/weft_sdk_beast_bench]"
bench=${1:?$usage}
beast=${2:-}
count() { # program case times
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$1" --only "$2" --count "$3" 2>&1 |
    sed -n 's/.*Collected : //p'
}
row() { # program case
  few=$(count "$1" "$2" 20000)
  many=$(count "$1" "$2" 40000)
  printf '%-24s %s\n' "$2" $(((many - few) / 20000))
}
printf '%-24s %s\n' case 'instructions (all threads)'
for case in disabled unsampled recorded propagation propagation-state; do
  row "$bench" "$case"
done
# One request through the Beast middleware, and what its handler does without it; then the same with
# the reading and writing of the server around it, outside the kernel.
if [ -x "$beast" ]; then
  for case in handle-bare handle serve-bare serve serve-bare-coroutines serve-coroutines; do
    row "$beast" "$case"
  done
fi
