"""What strangers and broken machines do to EMSYNC, each kind with a command of its own.

Every command tries its cases one after the other and prints how many were tried, right and wrong;
it ends with status 1 if any was wrong.
"""
