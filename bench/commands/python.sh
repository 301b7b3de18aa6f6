# SPDX-License-Identifier: MIT
# reps: 4
# packages: python3.11-minimal libpython3.11-minimal libexpat1 zlib1g libssl3 libc6
PYTHONHOME=usr PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 \
    lib/ld.so --library-path lib usr/bin/python3.11 -S bench/commands/work.py 2>&1
