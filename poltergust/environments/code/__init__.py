"""`code`: the pipeline's own source, which goes on PYTHONPATH without being installed.

`places` reads what an environment file names, `bundle` is those files as one value with one digest, `local` keeps
bundles on this machine. What is read is untrusted: names, sizes and kinds of files are checked before anything is
written.
"""
