package metrics

import (
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// sizeEvery is how often the journal is measured at most: it has a file for each turn.
const sizeEvery = time.Minute

// size tells how large the journal is.
type size struct {
	dir  string
	now  func() time.Time
	desc *prometheus.Desc

	mu    sync.Mutex
	at    time.Time
	bytes int64
}

func newSize(dir string, now func() time.Time) *size {
	return &size{dir: dir, now: now, desc: desc(journalSize, "How large the files of the journal are.")}
}

// Describe tells what there is.
func (s *size) Describe(out chan<- *prometheus.Desc) { out <- s.desc }

// Collect measures the journal, unless that was done lately.
func (s *size) Collect(out chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now(); s.at.IsZero() || now.Sub(s.at) >= sizeEvery || now.Before(s.at) {
		s.at, s.bytes = now, 0
		// A file that goes away meanwhile is no mistake.
		_ = filepath.WalkDir(s.dir, func(_ string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return nil //nolint:nilerr // What can't be read has no size.
			}
			if info, err := entry.Info(); err == nil {
				s.bytes += info.Size()
			}
			return nil
		})
	}
	out <- prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, float64(s.bytes))
}
