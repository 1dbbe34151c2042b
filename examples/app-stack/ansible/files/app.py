#!/usr/bin/python3
"""A stand-in for an application: it answers who it is, and keeps its secret."""

import http.server
import os
import sys

NAME, PORT = sys.argv[1], int(sys.argv[2])


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every GET."""

    def do_GET(self):
        """Tell what runs here; whether there is a secret, and never what."""
        told = "{} {} {} at {}, with{} a secret\n".format(
            os.environ.get("APP_PROJECT", "?"),
            os.environ.get("APP_ENVIRONMENT", "?"),
            NAME,
            os.environ.get("APP_BRANCH", "?"),
            "" if os.environ.get("APP_DATABASE_PASSWORD") else "out",
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)


http.server.ThreadingHTTPServer(("", PORT), Handler).serve_forever()
