"""Serves /srv/app/page.txt over TLS, as it is at each request."""

import http.server
import ssl


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open("/srv/app/page.txt", "rb") as file:
            text = file.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain("/srv/app/certificate.pem", "/srv/app/key.pem")
server = http.server.ThreadingHTTPServer(("", 443), Page)
# Whoever is slow to greet must not keep the others waiting.
server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
