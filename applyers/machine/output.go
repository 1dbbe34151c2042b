package machine

import "bytes"

// bounded keeps the first part of what is written to it. A program that prints
// more is not disturbed.
type bounded struct {
	buf   bytes.Buffer
	limit int
}

func (b *bounded) Write(p []byte) (int, error) {
	b.buf.Write(p[:min(len(p), max(0, b.limit-b.buf.Len()))])
	return len(p), nil
}
