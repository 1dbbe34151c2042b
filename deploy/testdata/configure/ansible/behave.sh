#!/bin/sh
# Fails, or takes long, where the test has put a file that says so.
if [ -e /srv/broken ]; then
  echo "the disk of this machine is broken" >&2
  exit 1
fi
if [ -e /srv/slow ]; then
  sleep 60
fi
