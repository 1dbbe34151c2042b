package importer

import (
	"testing"

	"berth/applyers/proxmox/pvesim"
)

func BenchmarkMake1000(b *testing.B) {
	s := newSite(pvesim.Mixed(pvesim.Options{}, pvesim.Mix{Guests: 1000}))
	survey := s.survey(b)
	for b.Loop() {
		made, err := Make(survey, options())
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(made.Taken)), "taken")
	}
}
