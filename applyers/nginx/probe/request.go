package probe

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
)

// headMax bounds what is read of a response's head.
const headMax = 64 << 10

// request asks by HTTP. It is written by hand since net/http sends none without a
// Host, follows what it shall report, and wants to read bodies to their end.
func request(ctx context.Context, conn net.Conn, name string) Answer {
	if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return Answer{Outcome: Unasked, Detail: strconv.Quote(name) + " is no name"}
	}
	ask := "GET / HTTP/1.1\r\nHost: " + name + "\r\n"
	if name == "" {
		ask = "GET / HTTP/1.0\r\n"
	}
	if _, err := io.WriteString(conn, ask+"User-Agent: berth\r\nAccept: */*\r\nConnection: close\r\n\r\n"); err != nil {
		return lack(ctx, err, Closed)
	}
	reader := textproto.NewReader(bufio.NewReader(io.LimitReader(conn, headMax)))
	line, err := reader.ReadLine()
	if line == "" && err != nil {
		return lack(ctx, err, Closed)
	}
	version, rest, _ := strings.Cut(line, " ")
	word, _, _ := strings.Cut(rest, " ")
	status, bad := strconv.Atoi(word)
	if !strings.HasPrefix(version, "HTTP/") || bad != nil {
		return Answer{Outcome: Garbled, Detail: "speaks no HTTP"}
	}
	// Where it leads on to is good to know; that is all.
	fields, _ := reader.ReadMIMEHeader()
	return Answer{Outcome: Responded, Status: status, Location: fields.Get("Location")}
}
