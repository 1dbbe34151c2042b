package notation

import (
	"testing"

	"berth/desired"
)

// FuzzSize holds that a size of Proxmox is the same when it is written and read.
func FuzzSize(f *testing.F) {
	for _, seed := range []string{"32G", "366K", "4608M", "0.5T", "512", "-1G", "1e99T", "NaN", "infG", "0x1p10K", "1_0G"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		size := ParseSize(text)
		if size < 0 {
			t.Fatalf("%q is %d", text, size)
		}
		if again := ParseSize(Gibibytes(size) + "G"); size < 1<<52 && again != size {
			t.Errorf("%q, %d, written in GiB reads as %d", text, size, again)
		}
		if again := ParseSize(Kibibytes(size)); size < 1<<52 && (again < size || again >= size+desired.KiB) {
			t.Errorf("%q, %d, written in KiB reads as %d", text, size, again)
		}
		rate := ParseRate(text)
		if rate < 0 {
			t.Fatalf("%q is a rate of %d", text, rate)
		}
		if again := ParseRate(FormatRate(rate)); rate < 1<<52 && again != rate {
			t.Errorf("%q, a rate of %d, written reads as %d", text, rate, again)
		}
	})
}
