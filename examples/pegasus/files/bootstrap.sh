#!/bin/sh
set -eu
echo "bootstrap of $(hostname)"
