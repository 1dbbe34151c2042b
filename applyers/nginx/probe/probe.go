// Package probe asks one name through one address, as a client from outside
// would, and tells what answered.
//
// On the TLS side the question is a ClientHello with the name as its SNI, on the
// http side a request with the name as its Host. Who answers is what is asked for
// and not whether they are to be trusted: a certificate of any kind is an answer.
package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Dial opens a connection, as [net.Dialer.DialContext] does. Its connections may
// know no deadlines, as those through SSH.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Question is one name to be asked through one address.
type Question struct {
	// Address is what is connected to: "10.1.1.4:443".
	Address string
	// Name is the SNI, or the Host; "" sends none.
	Name string
	// HTTP asks by a request in clear; by a ClientHello unless set.
	HTTP bool
	// Proxy sends a PROXY header before everything else, which a listener that
	// wants one waits for.
	Proxy bool
}

// Outcome is the sort of an answer.
type Outcome string

// The outcomes, from the best to the worst.
const (
	// Certified is a certificate.
	Certified Outcome = "certificate"
	// Responded is a response by HTTP.
	Responded Outcome = "response"
	// Alerted is a TLS alert in place of a certificate: somebody answers, but not
	// to this name.
	Alerted Outcome = "alert"
	// Garbled is an answer that is not of the protocol asked in.
	Garbled Outcome = "garbled"
	// Closed is a connection that was taken, and closed without a word.
	Closed Outcome = "closed"
	// Refused is a connection that was not taken.
	Refused Outcome = "refused"
	// TimedOut is nothing within the time there was.
	TimedOut Outcome = "timeout"
	// Unasked is a question that could not be put.
	Unasked Outcome = "unasked"
)

// Answer is what a question led to.
type Answer struct {
	Outcome Outcome
	// Subject is the certificate's: "CN=git.example.com", or where it has none the
	// first of its names.
	Subject string
	// Fingerprint is the SHA-256 of the certificate, in hexadecimal.
	Fingerprint string
	// Expires is the end of the certificate's time.
	Expires time.Time
	// Status is the response's.
	Status int
	// Location is where the response leads on to.
	Location string
	// Detail is the alert, or why there is no answer.
	Detail string
	// Took is how long it took, the connection's set-up included.
	Took time.Duration
}

// Works tells whether a client of this name is served: there is a certificate, or
// a response that does not say that a proxy found nobody to ask.
func (a Answer) Works() bool {
	switch a.Outcome {
	case Certified:
		return true
	case Responded:
		return a.Status != 502 && a.Status != 503 && a.Status != 504
	default:
		return false
	}
}

// String says it for people, to stand after a name: "answers (CN=git.example.com)".
func (a Answer) String() string {
	switch a.Outcome {
	case Certified:
		return "answers (" + clip(a.Subject) + ")"
	case Responded:
		if a.Location != "" {
			return fmt.Sprintf("answers HTTP %d to %s", a.Status, clip(a.Location))
		}
		return fmt.Sprintf("answers HTTP %d", a.Status)
	case Alerted:
		if a.Detail == unknownName {
			return "answers, but refuses the name"
		}
		return "answers with the TLS alert " + a.Detail
	case Garbled:
		return "answers, but " + a.Detail
	case Closed:
		return "is closed without an answer"
	case Refused:
		return "refuses connections"
	case TimedOut:
		return "does not answer in time"
	default:
		return "could not be asked: " + a.Detail
	}
}

// unknownName is what crypto/tls calls the alert of a server that has no such
// name (RFC 6066 part 3), nginx's ssl_reject_handshake among them.
const unknownName = "unrecognized name"

// Ask asks one question. The answer comes within the timeout, or as soon as ctx
// ends; a timeout of 0 leaves it to ctx.
func Ask(ctx context.Context, dial Dial, q Question, timeout time.Duration) Answer {
	start := time.Now()
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	a := ask(ctx, dial, q)
	a.Took = time.Since(start)
	return a
}

func ask(ctx context.Context, dial Dial, q Question) Answer {
	conn, err := dial(ctx, "tcp", q.Address)
	if err != nil {
		return lack(ctx, err, Unasked)
	}
	defer func() { _ = conn.Close() }()
	// What knows no deadline knows how to be closed.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if q.Proxy {
		if _, err := io.WriteString(conn, header(conn)); err != nil {
			return lack(ctx, err, Closed)
		}
	}
	if q.HTTP {
		return request(ctx, conn, q.Name)
	}
	return hello(ctx, conn, q.Name)
}

// lack is the answer to what ended in an error, which is otherwise if nothing
// better is known of it.
func lack(ctx context.Context, err error, otherwise Outcome) Answer {
	a := Answer{Outcome: otherwise, Detail: strings.Join(strings.Fields(err.Error()), " ")}
	var late net.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		a.Outcome = Unasked
	case ctx.Err() != nil, errors.As(err, &late) && late.Timeout():
		a.Outcome = TimedOut
	case errors.Is(err, syscall.ECONNREFUSED), strings.Contains(strings.ToLower(a.Detail), "connection refused"):
		// An SSH server tells the far end's refusal as a text.
		a.Outcome = Refused
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		a.Outcome = Closed
	}
	return a
}

// header is a PROXY header of version 1: the connection's own ends where they are
// plain addresses, which they are not through SSH.
func header(conn net.Conn) string {
	from, ok := conn.LocalAddr().(*net.TCPAddr)
	to, also := conn.RemoteAddr().(*net.TCPAddr)
	if !ok || !also || from.Port == 0 || to.Port == 0 {
		return "PROXY UNKNOWN\r\n"
	}
	family := "TCP6"
	if from.IP.To4() != nil && to.IP.To4() != nil {
		family = "TCP4"
	}
	return fmt.Sprintf("PROXY %s %s %s %d %d\r\n", family, from.IP, to.IP, from.Port, to.Port)
}

// together is how many questions are under way at once.
const together = 16

// All asks many questions, some at once, each with the timeout. The answers stand
// in the questions' order; the same question is asked once.
func All(ctx context.Context, dial Dial, questions []Question, timeout time.Duration) []Answer {
	first := make(map[Question]int, len(questions))
	var ask []int
	for i, q := range questions {
		if _, twice := first[q]; !twice {
			first[q] = i
			ask = append(ask, i)
		}
	}
	answers := make([]Answer, len(questions))
	next := make(chan int)
	var asking sync.WaitGroup
	for range min(together, len(ask)) {
		asking.Go(func() {
			for i := range next {
				answers[i] = Ask(ctx, dial, questions[i], timeout)
			}
		})
	}
	for _, i := range ask {
		next <- i
	}
	close(next)
	asking.Wait()
	for i, q := range questions {
		answers[i] = answers[first[q]]
	}
	return answers
}

// clip bounds what the other end chooses: a name or an address of any length.
func clip(text string) string {
	const most = 120
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
