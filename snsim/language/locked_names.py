"""The words of the Lisp that a program cannot redefine outside functions (docs/reference/sn28.md, section 1.2).

SN locks the words that its Lisp defines in C, as global variables. A parameter or a variable of `let` may have any of
these names. The words of SN's libraries, such as `filter` or `forget`, stay free: programs replace them.
"""

_ARITHMETIC = """
    + - * / ** 1+ 1- 2* 2/ div mod abs int sqrt sin cos tan atan exp log tanh max min sgn 0= 0<> = <> == < <= > >=
"""
_LISTS = """
    car cdr caar cadr cdar cddr caddr cons list append reverse nth nthcdr last lastcdr length member assoc range
    makelist flatten rplaca rplacd numberp symbolp stringp consp listp null not and or
"""
_CONTROL = """
    quote eval apply mapcar mapc rmapcar rmapc mapfor progn prog1 if when cond selectq while do-while repeat for
    let let* setq set incr lambda de df dm dmd scope new delete class
"""
_TEXT = """
    print prin printf sprintf tab pname str val left right mid index len upcase concat strip named namedclean nameof
    load read read-string skip-char open-read open-write open-append reading writing bound
"""
LOCKED = frozenset((_ARITHMETIC + _LISTS + _CONTROL + _TEXT).split())
