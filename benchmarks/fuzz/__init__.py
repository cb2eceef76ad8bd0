"""Hostile input: files that were damaged, made up, or made to do harm.

An input is survived when it comes to a result or to an error of ours. It is not when
anything else is raised or the process ends; when it takes more than 10 s of CPU; when
it starts a program, connects, unpickles, or writes outside of its folder; or when it
takes more memory than 2 MiB, which any may, and ten times its size.

Its size is that of its files, but for two kinds that are compressed a thousandfold.
Of a gzipped IDX file it is what that unpacks to, as far as its header claims: neither
the claim alone nor bytes beyond it are given memory. Of a PNG file it is a byte for
each pixel, if the file can have so many at deflate's highest compression, and there
are at most 2^26 of them.
"""
