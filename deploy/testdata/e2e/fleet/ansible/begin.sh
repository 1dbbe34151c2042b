#!/bin/sh
# Notes when the playbook begins, and makes a certificate if there is none.
set -e
date +%s.%N >>/srv/begun
cd /srv
if [ ! -e certificate.pem ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" -keyout key.pem -out certificate.pem
fi
