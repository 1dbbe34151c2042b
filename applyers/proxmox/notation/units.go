package notation

import (
	"math"
	"strconv"
	"strings"

	"berth/desired"
)

// ParseSize reads "32G", "366K", "0.5T" or a number of bytes; 0 if it is none.
func ParseSize(text string) desired.Size {
	units := map[string]desired.Size{"K": desired.KiB, "M": desired.MiB, "G": desired.GiB, "T": desired.TiB}
	unit := desired.Size(1)
	if text != "" {
		if u, ok := units[text[len(text)-1:]]; ok {
			unit, text = u, text[:len(text)-1]
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= 0 && n*float64(unit) <= 1<<62) { // NaN is no size either.
		return 0
	}
	return desired.Size(n * float64(unit))
}

// Gibibytes is a size as an allocation takes it: "32", "0.5".
func Gibibytes(s desired.Size) string {
	return strconv.FormatFloat(float64(s)/float64(desired.GiB), 'f', -1, 64)
}

// Kibibytes is a size as a resize takes it.
func Kibibytes(s desired.Size) string {
	return strconv.FormatInt(int64((s+desired.KiB-1)/desired.KiB), 10) + "K"
}

// Mebibytes is a size as memory takes it.
func Mebibytes(s desired.Size) string { return strconv.FormatInt(int64(s/desired.MiB), 10) }

// ParseRate reads a NIC's limit, MiB a second with fractions.
func ParseRate(text string) desired.Rate {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= 0 && n <= 1<<40) {
		return 0
	}
	return desired.Rate(n * float64(desired.MiB))
}

// ParseNumber reads a number; 0 if it is none.
func ParseNumber(text string) float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0
	}
	return n
}

// FormatRate writes a NIC's limit; "" for none.
func FormatRate(r desired.Rate) string {
	if r == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(r)/float64(desired.MiB), 'f', -1, 64)
}

// FormatNumber writes a number without needless digits.
func FormatNumber(f float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(f, 'f', -1, 64), ".0")
}
