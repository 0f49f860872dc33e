"""Documents of clouds judged before a cloud sees them: ours and other people's. Pure.

``detect`` says what a file is, ``read`` takes it as it is written, without believing any of it,
and each linter rule of ``rules`` looks for one thing. A linter rule is one function with ``@lint``
and one line in the tests' table. What is an expression, and so not known, is passed over.
"""
