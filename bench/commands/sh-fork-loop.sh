# SPDX-License-Identifier: MIT
# reps: 2
# A shell that forks, and forks and executes, 100 times each.
i=0
while [ $i -lt 100 ]; do
    bin/busybox true
    x=$(echo $i)
    i=$((i + 1))
done
echo $i "$x"
