# SPDX-License-Identifier: MIT
"""Dictionaries, strings, classes and calls; prints a checksum."""


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def moved(self, by):
        return Point(self.x + by, self.y - by)


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


words = [f"w{i * 7919 % 997}" for i in range(10000)]
count = {}
for word in words:
    count[word] = count.get(word, 0) + 1
point = Point(1, 2)
for i in range(20000):
    point = point.moved(i & 3)
total = 0
for i in range(100000):
    total = (total * 31 + i % 7) % 1000003
print(fib(17), total, count["w5"], sorted(words)[5000], point.x, point.y, len(" ".join(words)))
