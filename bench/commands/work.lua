-- SPDX-License-Identifier: MIT
-- Tables, strings, closures and calls; prints a checksum.
local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end

local words, count = {}, {}
for i = 1, 20000 do
    words[i] = string.format("w%d", i * 7919 % 997)
end
for _, word in ipairs(words) do
    count[word] = (count[word] or 0) + 1
end
table.sort(words)

local sum = 0
for i = 1, 300000 do
    sum = (sum * 31 + i % 7) % 1000003
end
local text = table.concat(words, " ", 1, 2000):gsub("w(%d)", "%1w")
print(fib(22), sum, count.w5, words[10000], #text)
