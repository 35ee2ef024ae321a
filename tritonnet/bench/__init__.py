"""The library's benchmark suite: `tritonnet bench`, and the timed part of `make gpu-check`.

`cases` has the programs, `peers` the libraries that are compared, `runner` times one program, `report` writes JSON,
Markdown and pictures, `comparison` says whether something got slower since an earlier report.
"""
