#!/bin/bash
# In the VM: semantics.py on both hosts at once.
mkdir -p /export/s /tmp/meet
on_host a python3 /payload/semantics.py /a/s a /tmp/meet & a=$!
on_host b python3 /payload/semantics.py /b/s b /tmp/meet
rb=$?
wait $a
exit $(($? | rb))
