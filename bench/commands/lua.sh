# SPDX-License-Identifier: MIT
# reps: 4
# packages: lua5.4 libreadline8 libtinfo6 libc6
lib/ld.so --library-path lib usr/bin/lua5.4 bench/commands/work.lua
