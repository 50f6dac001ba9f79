"""The loops of codebooks, compiled: distances, nearest words, and the sweeps of k-means, LVQ and condense.

Each product and sum is rounded to single precision in the order of the functions in NumPy (nearest_neighbours.py,
kmeans_lvq.py), so results are equal to the bit. Where `codebook_loops` returns None, NumPy computes.

A loop stops before a word with a distance that is not finite: NumPy then decides, as it sorts such numbers by rules of
its own.
"""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np

from snsim.errors import SnError

_LITTLE_WORK = 200_000
_I, _P, _R = ctypes.c_int64, ctypes.c_void_p, ctypes.c_float
_SIGNATURES = {
    "distances": (_P, _P, _I, _I, _P),
    "nearest_words": (_P, _I, _P, _I, _I, _I, _P, _P),
    "k_means_sweep": (_P, _I, _P, _I, _I, _P, _P),
    "lvq1_sweep": (_P, _P, _I, _P, _P, _I, _I, _R, _P, _P),
    "next_lvq2": (_P, _P, _I, _P, _P, _I, _I, _P),
    "next_lvq3": (_P, _P, _I, _P, _P, _I, _I, _P),
    "next_wrong": (_P, _P, _I, _P, _P, _I, _I, _P),
}

# %x and %w are single words, %words a table of %m words of %width numbers, %state[0] the next word of the data.
# `nearest` returns -1 if a distance is not finite.
_TEXT = """

define internal float @distance(ptr %x, ptr %w, i64 %width) {
entry:
  br label %head
head:
  %j = phi i64 [ 0, %entry ], [ %j.next, %round ]
  %s = phi float [ 0.0, %entry ], [ %s.next, %round ]
  %more = icmp slt i64 %j, %width
  br i1 %more, label %round, label %done
round:
  %x.at = getelementptr float, ptr %x, i64 %j
  %w.at = getelementptr float, ptr %w, i64 %j
  %xj = load float, ptr %x.at, align 4
  %wj = load float, ptr %w.at, align 4
  %d = fsub float %wj, %xj
  %dd = fmul float %d, %d
  %s.next = fadd float %s, %dd
  %j.next = add nsw i64 %j, 1
  br label %head
done:
  ret float %s
}

define internal ptr @word(ptr %words, i64 %i, i64 %width) {
entry:
  %k = mul nsw i64 %i, %width
  %at = getelementptr float, ptr %words, i64 %k
  ret ptr %at
}

define internal i64 @label(ptr %labels, i64 %i) {
entry:
  %at = getelementptr i64, ptr %labels, i64 %i
  %label = load i64, ptr %at, align 8
  ret i64 %label
}

define internal i1 @finite(float %x) {
entry:
  %zero = fsub float %x, %x
  %finite = fcmp oeq float %zero, 0.0
  ret i1 %finite
}

define void @distances(ptr %x, ptr %words, i64 %m, i64 %width, ptr %out) {
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %i.next, %round ]
  %more = icmp slt i64 %i, %m
  br i1 %more, label %round, label %done
round:
  %w = call ptr @word(ptr %words, i64 %i, i64 %width)
  %d = call float @distance(ptr %x, ptr %w, i64 %width)
  %at = getelementptr float, ptr %out, i64 %i
  store float %d, ptr %at, align 4
  %i.next = add nsw i64 %i, 1
  br label %head
done:
  ret void
}

define internal { i64, float } @nearest(ptr %x, ptr %words, i64 %m, i64 %width) {
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %i.next, %good ]
  %best = phi i64 [ -1, %entry ], [ %best.next, %good ]
  %least = phi float [ 0x7FF0000000000000, %entry ], [ %least.next, %good ]
  %more = icmp slt i64 %i, %m
  br i1 %more, label %round, label %done
round:
  %w = call ptr @word(ptr %words, i64 %i, i64 %width)
  %d = call float @distance(ptr %x, ptr %w, i64 %width)
  %finite = call i1 @finite(float %d)
  br i1 %finite, label %good, label %bad
good:
  %less = fcmp olt float %d, %least
  %best.next = select i1 %less, i64 %i, i64 %best
  %least.next = select i1 %less, float %d, float %least
  %i.next = add nsw i64 %i, 1
  br label %head
bad:
  ret { i64, float } { i64 -1, float 0.0 }
done:
  %r = insertvalue { i64, float } undef, i64 %best, 0
  %s = insertvalue { i64, float } %r, float %least, 1
  ret { i64, float } %s
}

; the k nearest words of %n words: indices in %out, and distances in %least, k for each; -1 first if one is not finite
define void @nearest_words(ptr %data, i64 %n, ptr %words, i64 %m, i64 %width, i64 %k, ptr %out, ptr %least) {
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %i.next, %next ]
  %more = icmp slt i64 %i, %n
  br i1 %more, label %item, label %done
item:
  %x = call ptr @word(ptr %data, i64 %i, i64 %width)
  %first = mul nsw i64 %i, %k
  %mine = getelementptr i64, ptr %out, i64 %first
  %near = getelementptr float, ptr %least, i64 %first
  br label %words.head
words.head:
  %j = phi i64 [ 0, %item ], [ %j.next, %placed ]
  %size = phi i64 [ 0, %item ], [ %size.next, %placed ]
  %some = icmp slt i64 %j, %m
  br i1 %some, label %one, label %next
one:
  %w = call ptr @word(ptr %words, i64 %j, i64 %width)
  %d = call float @distance(ptr %x, ptr %w, i64 %width)
  %finite = call i1 @finite(float %d)
  br i1 %finite, label %compare, label %bad
compare:
  %full = icmp sge i64 %size, %k
  br i1 %full, label %compare.last, label %insert
compare.last:
  %last = sub nsw i64 %k, 1
  %last.at = getelementptr float, ptr %near, i64 %last
  %farthest = load float, ptr %last.at, align 4
  %closer = fcmp olt float %d, %farthest
  br i1 %closer, label %insert, label %skip
skip:
  br label %placed
insert:
  %grown.1 = add nsw i64 %size, 1
  %grown = select i1 %full, i64 %k, i64 %grown.1
  %start = sub nsw i64 %grown, 1
  br label %shift
shift:
  %p = phi i64 [ %start, %insert ], [ %p.next, %moved ]
  %inner = icmp sgt i64 %p, 0
  br i1 %inner, label %look, label %place
look:
  %p.next = sub nsw i64 %p, 1
  %before.at = getelementptr float, ptr %near, i64 %p.next
  %before = load float, ptr %before.at, align 4
  %nearer = fcmp olt float %d, %before
  br i1 %nearer, label %moved, label %place
moved:
  %to.at = getelementptr float, ptr %near, i64 %p
  store float %before, ptr %to.at, align 4
  %index.from = getelementptr i64, ptr %mine, i64 %p.next
  %index.old = load i64, ptr %index.from, align 8
  %index.to = getelementptr i64, ptr %mine, i64 %p
  store i64 %index.old, ptr %index.to, align 8
  br label %shift
place:
  %here = getelementptr float, ptr %near, i64 %p
  store float %d, ptr %here, align 4
  %index.here = getelementptr i64, ptr %mine, i64 %p
  store i64 %j, ptr %index.here, align 8
  br label %placed
placed:
  %size.next = phi i64 [ %size, %skip ], [ %grown, %place ]
  %j.next = add nsw i64 %j, 1
  br label %words.head
bad:
  store i64 -1, ptr %mine, align 8
  br label %next
next:
  %i.next = add nsw i64 %i, 1
  br label %head
done:
  ret void
}

; r = r + share (x - r)
define internal void @move(ptr %r, ptr %x, i64 %width, float %share) {
entry:
  br label %head
head:
  %j = phi i64 [ 0, %entry ], [ %j.next, %round ]
  %more = icmp slt i64 %j, %width
  br i1 %more, label %round, label %done
round:
  %r.at = getelementptr float, ptr %r, i64 %j
  %x.at = getelementptr float, ptr %x, i64 %j
  %rj = load float, ptr %r.at, align 4
  %xj = load float, ptr %x.at, align 4
  %d = fsub float %xj, %rj
  %sd = fmul float %share, %d
  %new = fadd float %rj, %sd
  store float %new, ptr %r.at, align 4
  %j.next = add nsw i64 %j, 1
  br label %head
done:
  ret void
}

; r = (n r + x) / (n + 1)
define internal void @add_to_mean(ptr %r, ptr %x, i64 %width, float %n, float %n1) {
entry:
  br label %head
head:
  %j = phi i64 [ 0, %entry ], [ %j.next, %round ]
  %more = icmp slt i64 %j, %width
  br i1 %more, label %round, label %done
round:
  %r.at = getelementptr float, ptr %r, i64 %j
  %x.at = getelementptr float, ptr %x, i64 %j
  %rj = load float, ptr %r.at, align 4
  %xj = load float, ptr %x.at, align 4
  %nr = fmul float %n, %rj
  %sum = fadd float %nr, %xj
  %new = fdiv float %sum, %n1
  store float %new, ptr %r.at, align 4
  %j.next = add nsw i64 %j, 1
  br label %head
done:
  ret void
}

define void @k_means_sweep(ptr %data, i64 %n, ptr %words, i64 %m, i64 %width, ptr %counts, ptr %state) {
entry:
  %from = load i64, ptr %state, align 8
  br label %head
head:
  %i = phi i64 [ %from, %entry ], [ %i.next, %next ]
  store i64 %i, ptr %state, align 8
  %more = icmp slt i64 %i, %n
  br i1 %more, label %item, label %done
item:
  %x = call ptr @word(ptr %data, i64 %i, i64 %width)
  %near = call { i64, float } @nearest(ptr %x, ptr %words, i64 %m, i64 %width)
  %best = extractvalue { i64, float } %near, 0
  %d = extractvalue { i64, float } %near, 1
  %good = icmp sge i64 %best, 0
  br i1 %good, label %far, label %done
far:
  %moves = fcmp une float %d, 0.0
  br i1 %moves, label %mean, label %next
mean:
  %r = call ptr @word(ptr %words, i64 %best, i64 %width)
  %count.at = getelementptr float, ptr %counts, i64 %best
  %c = load float, ptr %count.at, align 4
  %c1 = fadd float %c, 1.0
  call void @add_to_mean(ptr %r, ptr %x, i64 %width, float %c, float %c1)
  store float %c1, ptr %count.at, align 4
  br label %next
next:
  %i.next = add nsw i64 %i, 1
  br label %head
done:
  ret void
}

define void @lvq1_sweep(ptr %data, ptr %labels, i64 %n, ptr %words, ptr %classes, i64 %m, i64 %width, float %rate,
                        ptr %current, ptr %state) {
entry:
  %from = load i64, ptr %state, align 8
  br label %head
head:
  %i = phi i64 [ %from, %entry ], [ %i.next, %next ]
  store i64 %i, ptr %state, align 8
  %more = icmp slt i64 %i, %n
  br i1 %more, label %item, label %done
item:
  %x = call ptr @word(ptr %data, i64 %i, i64 %width)
  %near = call { i64, float } @nearest(ptr %x, ptr %words, i64 %m, i64 %width)
  %best = extractvalue { i64, float } %near, 0
  %good = icmp sge i64 %best, 0
  br i1 %good, label %judge, label %done
judge:
  %r = call ptr @word(ptr %words, i64 %best, i64 %width)
  %wanted = call i64 @label(ptr %labels, i64 %i)
  %class = call i64 @label(ptr %classes, i64 %best)
  %same = icmp eq i64 %wanted, %class
  br i1 %same, label %pull, label %push
pull:
  %now = load float, ptr %current, align 4
  call void @move(ptr %r, ptr %x, i64 %width, float %now)
  br label %next
push:
  store float %rate, ptr %current, align 4
  %away = fneg float %rate
  call void @move(ptr %r, ptr %x, i64 %width, float %away)
  br label %next
next:
  %i.next = add nsw i64 %i, 1
  br label %head
done:
  ret void
}

; the next word whose nearest reference is wrong and whose second nearest is right: state = word, wrong, right
define void @next_lvq2(ptr %data, ptr %labels, i64 %n, ptr %words, ptr %classes, i64 %m, i64 %width, ptr %state) {
entry:
  %from = load i64, ptr %state, align 8
  %wrong.at = getelementptr i64, ptr %state, i64 1
  %right.at = getelementptr i64, ptr %state, i64 2
  store i64 -1, ptr %wrong.at, align 8
  br label %head
head:
  %i = phi i64 [ %from, %entry ], [ %i.next, %next ]
  store i64 %i, ptr %state, align 8
  %more = icmp slt i64 %i, %n
  br i1 %more, label %item, label %done
item:
  %x = call ptr @word(ptr %data, i64 %i, i64 %width)
  br label %words.head
words.head:
  %j = phi i64 [ 0, %item ], [ %j.next, %good ]
  %a = phi i64 [ -1, %item ], [ %a.next, %good ]
  %b = phi i64 [ -1, %item ], [ %b.next, %good ]
  %da = phi float [ 0x7FF0000000000000, %item ], [ %da.next, %good ]
  %db = phi float [ 0x7FF0000000000000, %item ], [ %db.next, %good ]
  %some = icmp slt i64 %j, %m
  br i1 %some, label %one, label %judge
one:
  %w = call ptr @word(ptr %words, i64 %j, i64 %width)
  %d = call float @distance(ptr %x, ptr %w, i64 %width)
  %finite = call i1 @finite(float %d)
  br i1 %finite, label %good, label %done
good:
  %first = fcmp olt float %d, %da
  %second = fcmp olt float %d, %db
  %b.1 = select i1 %second, i64 %j, i64 %b
  %db.1 = select i1 %second, float %d, float %db
  %b.next = select i1 %first, i64 %a, i64 %b.1
  %db.next = select i1 %first, float %da, float %db.1
  %a.next = select i1 %first, i64 %j, i64 %a
  %da.next = select i1 %first, float %d, float %da
  %j.next = add nsw i64 %j, 1
  br label %words.head
judge:
  %wanted = call i64 @label(ptr %labels, i64 %i)
  %class.a = call i64 @label(ptr %classes, i64 %a)
  %class.b = call i64 @label(ptr %classes, i64 %b)
  %wrong = icmp ne i64 %wanted, %class.a
  %right = icmp eq i64 %wanted, %class.b
  %pair = and i1 %wrong, %right
  br i1 %pair, label %found, label %next
found:
  store i64 %a, ptr %wrong.at, align 8
  store i64 %b, ptr %right.at, align 8
  br label %done
next:
  %i.next = add nsw i64 %i, 1
  br label %head
done:
  ret void
}

; the next word whose nearest reference is wrong: state = word, that reference, the nearest of the right class
define void @next_lvq3(ptr %data, ptr %labels, i64 %n, ptr %words, ptr %classes, i64 %m, i64 %width, ptr %state) {
entry:
  %from = load i64, ptr %state, align 8
  %wrong.at = getelementptr i64, ptr %state, i64 1
  %right.at = getelementptr i64, ptr %state, i64 2
  store i64 -1, ptr %wrong.at, align 8
  br label %head
head:
  %i = phi i64 [ %from, %entry ], [ %i.next, %next ]
  store i64 %i, ptr %state, align 8
  %more = icmp slt i64 %i, %n
  br i1 %more, label %item, label %done
item:
  %x = call ptr @word(ptr %data, i64 %i, i64 %width)
  %wanted = call i64 @label(ptr %labels, i64 %i)
  br label %words.head
words.head:
  %j = phi i64 [ 0, %item ], [ %j.next, %good ]
  %a = phi i64 [ -1, %item ], [ %a.next, %good ]
  %b = phi i64 [ -1, %item ], [ %b.next, %good ]
  %da = phi float [ 0x7FF0000000000000, %item ], [ %da.next, %good ]
  %db = phi float [ 0x7FF0000000000000, %item ], [ %db.next, %good ]
  %some = icmp slt i64 %j, %m
  br i1 %some, label %one, label %judge
one:
  %w = call ptr @word(ptr %words, i64 %j, i64 %width)
  %d = call float @distance(ptr %x, ptr %w, i64 %width)
  %finite = call i1 @finite(float %d)
  br i1 %finite, label %good, label %done
good:
  %class = call i64 @label(ptr %classes, i64 %j)
  %is.right = icmp eq i64 %class, %wanted
  %first = fcmp olt float %d, %da
  %closer = fcmp olt float %d, %db
  %second = and i1 %is.right, %closer
  %a.next = select i1 %first, i64 %j, i64 %a
  %da.next = select i1 %first, float %d, float %da
  %b.next = select i1 %second, i64 %j, i64 %b
  %db.next = select i1 %second, float %d, float %db
  %j.next = add nsw i64 %j, 1
  br label %words.head
judge:
  %class.a = call i64 @label(ptr %classes, i64 %a)
  %wrong = icmp ne i64 %wanted, %class.a
  br i1 %wrong, label %found, label %next
found:
  store i64 %a, ptr %wrong.at, align 8
  store i64 %b, ptr %right.at, align 8
  br label %done
next:
  %i.next = add nsw i64 %i, 1
  br label %head
done:
  ret void
}

; the next word whose nearest reference has another label: state = word, that reference
define void @next_wrong(ptr %data, ptr %labels, i64 %n, ptr %words, ptr %classes, i64 %m, i64 %width, ptr %state) {
entry:
  %from = load i64, ptr %state, align 8
  %wrong.at = getelementptr i64, ptr %state, i64 1
  store i64 -1, ptr %wrong.at, align 8
  br label %head
head:
  %i = phi i64 [ %from, %entry ], [ %i.next, %next ]
  store i64 %i, ptr %state, align 8
  %more = icmp slt i64 %i, %n
  br i1 %more, label %item, label %done
item:
  %x = call ptr @word(ptr %data, i64 %i, i64 %width)
  %near = call { i64, float } @nearest(ptr %x, ptr %words, i64 %m, i64 %width)
  %best = extractvalue { i64, float } %near, 0
  %good = icmp sge i64 %best, 0
  br i1 %good, label %judge, label %done
judge:
  %wanted = call i64 @label(ptr %labels, i64 %i)
  %class = call i64 @label(ptr %classes, i64 %best)
  %same = icmp eq i64 %wanted, %class
  br i1 %same, label %next, label %found
found:
  store i64 %best, ptr %wrong.at, align 8
  br label %done
next:
  %i.next = add nsw i64 %i, 1
  br label %head
done:
  ret void
}
"""


class CodebookLoops:
    """The compiled loops. Words are contiguous float32 tables, labels contiguous int64 vectors.

    The sweeps take `state`, int64, whose first number is the word to start with. They leave there the word at which
    they stopped: the number of words if they are done.
    """

    def __init__(self) -> None:
        from snsim.engines.native import jit  # loads llvmlite

        self._code = jit.Code(_TEXT, tuple(_SIGNATURES))
        self._calls = {
            name: ctypes.CFUNCTYPE(None, *types)(self._code.address(name)) for name, types in _SIGNATURES.items()
        }

    def distances(self, x: np.ndarray, words: np.ndarray) -> np.ndarray:
        """Return the squared distance of a word to each of a table, shape (words,)."""
        out = np.empty(len(words), np.float32)
        self._calls["distances"](x.ctypes.data, words.ctypes.data, len(words), words.shape[1], out.ctypes.data)
        return out

    def nearest_words(self, data: np.ndarray, words: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices of the k nearest words for each word of the data, and the distances, shapes (data, k).

        The first index is -1 if a distance is not finite.
        """
        indices, least = np.zeros((len(data), k), np.int64), np.zeros((len(data), k), np.float32)
        self._calls["nearest_words"](
            data.ctypes.data,
            len(data),
            words.ctypes.data,
            len(words),
            words.shape[1],
            k,
            indices.ctypes.data,
            least.ctypes.data,
        )
        return indices, least

    def k_means_sweep(self, data: np.ndarray, means: np.ndarray, counts: np.ndarray, state: np.ndarray) -> None:
        """Update the nearest mean with each word, and its count."""
        self._calls["k_means_sweep"](
            data.ctypes.data,
            len(data),
            means.ctypes.data,
            len(means),
            means.shape[1],
            counts.ctypes.data,
            state.ctypes.data,
        )

    def lvq1_sweep(
        self,
        data: np.ndarray,
        labels: np.ndarray,
        words: np.ndarray,
        classes: np.ndarray,
        rate: np.float32,
        current: np.ndarray,
        state: np.ndarray,
    ) -> None:
        """Do a sweep of LVQ1. `current` holds the rate of right answers."""
        self._calls["lvq1_sweep"](
            data.ctypes.data,
            labels.ctypes.data,
            len(data),
            words.ctypes.data,
            classes.ctypes.data,
            len(words),
            words.shape[1],
            float(rate),
            current.ctypes.data,
            state.ctypes.data,
        )

    def find(
        self,
        what: str,
        data: np.ndarray,
        labels: np.ndarray,
        words: np.ndarray,
        classes: np.ndarray,
        state: np.ndarray,
        count: int | None = None,
    ) -> None:
        """Find the next word for `next_lvq2`, `next_lvq3` or `next_wrong`; state[1] is -1 where the distances decide.

        `count` is the number of words of the table (default: all).
        """
        self._calls[what](
            data.ctypes.data,
            labels.ctypes.data,
            len(data),
            words.ctypes.data,
            classes.ctypes.data,
            len(words) if count is None else count,
            words.shape[1],
            state.ctypes.data,
        )


@cache
def _compiled() -> CodebookLoops | None:
    """Return the compiled loops, or None if llvmlite is missing."""
    try:
        return CodebookLoops()
    except (ImportError, SnError):
        return None


class _Work:
    """The elements of all distances that were asked for: llvmlite is loaded only for programs with many of them."""

    done = 0


def codebook_loops(vectors: int, *tables: np.ndarray) -> CodebookLoops | None:
    """Return the compiled loops that compare `vectors` vectors with the words of the last table.

    None if NumPy should compute: for little work, for tables that are not contiguous float32, and without llvmlite.
    """
    if not all(t.dtype == np.float32 and t.ndim == 2 and t.shape[1] > 0 and t.flags.c_contiguous for t in tables):
        return None
    _Work.done += vectors * (100 + tables[-1].size)  # a call of NumPy takes as long as some 100 elements
    return _compiled() if _Work.done > _LITTLE_WORK else None
