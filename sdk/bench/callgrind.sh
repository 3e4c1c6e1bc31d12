#!/bin/sh
# Instructions a span, which repeat from run to run where times do not:
#   sdk/bench/callgrind.sh path/to/weft_sdk_bench
# Each case runs twice, and the difference between the counts leaves out what starting costs.
set -eu
bench=${1:?usage: callgrind.sh path/to/weft_sdk_bench}
count() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$bench" --only "$1" --count "$2" 2>&1 |
    sed -n 's/.*Collected : //p'
}
printf '%-20s %s\n' case 'instructions (all threads)'
for case in disabled unsampled recorded propagation propagation-state; do
  few=$(count "$case" 20000)
  many=$(count "$case" 40000)
  printf '%-20s %s\n' "$case" $(((many - few) / 20000))
done
