package desired

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseSize reads a number of bytes: a whole number with KiB, MiB, GiB or TiB
// and no blank. The error says what to write instead.
func ParseSize(text string) (Size, error) {
	number, unit := splitUnit(text)
	if unit == "" && number != "" && number == text {
		return 0, fmt.Errorf("%s has no unit: write %s", text, withUnit(wholeOr(number, "512")))
	}
	size, ok := sizeUnit(unit)
	if !ok {
		return 0, sizeRemedy(text, number, unit)
	}
	n, err := strconv.ParseInt(number, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && n > math.MaxInt64/int64(size):
		return 0, fmt.Errorf("%q is more than can be: write a smaller size", text)
	case err != nil:
		return 0, sizeRemedy(text, number, unit)
	}
	return Size(n) * size, nil
}

// withUnit guesses the unit of a bare number: other tools count memory in MiB
// and disks in GiB, and nobody means a few MiB.
func withUnit(number string) string {
	if len(number) < 3 && number != "0" {
		return number + "GiB"
	}
	return number + "MiB"
}

func sizeUnit(word string) (Size, bool) {
	switch word {
	case "KiB":
		return KiB, true
	case "MiB":
		return MiB, true
	case "GiB":
		return GiB, true
	case "TiB":
		return TiB, true
	}
	return 0, false
}

// sizeRemedy guesses what was meant.
func sizeRemedy(text, number, unit string) error {
	letter := strings.ToUpper(strings.TrimSpace(unit))
	letter = strings.TrimSuffix(strings.TrimSuffix(letter, "B"), "I")
	if len(letter) != 1 || !strings.Contains("KMGT", letter) || number == "" {
		return fmt.Errorf("%q is no size: write a whole number and a unit, as in 512MiB or 32GiB", text)
	}
	whole, small, ok := wholeSize(number, letter)
	if !ok {
		return fmt.Errorf("%q is no size: write a whole number and a unit, as in 512MiB or 32GiB", text)
	}
	switch {
	case small:
		return fmt.Errorf("%q: write %s, sizes are whole numbers", text, whole)
	case strings.TrimSpace(unit) == letter:
		return fmt.Errorf("%q: write %s (Proxmox's %s is %siB)", text, whole, letter, letter)
	case strings.HasPrefix(unit, " "):
		return fmt.Errorf("%q: write %s, without a blank", text, whole)
	}
	return fmt.Errorf("%q: write %s", text, whole)
}

// wholeSize writes a number that may have a fraction as a whole one, in a
// smaller unit if need be.
func wholeSize(number, letter string) (text string, smaller, ok bool) {
	if n, err := strconv.ParseInt(number, 10, 64); err == nil {
		return strconv.FormatInt(n, 10) + letter + "iB", false, true
	}
	f, err := strconv.ParseFloat(number, 64)
	unit, _ := sizeUnit(letter + "iB")
	if err != nil || f <= 0 || f*float64(unit) > math.MaxInt64/2 {
		return "", false, false
	}
	size := Size(f * float64(unit))
	if size >= MiB {
		size -= size % MiB
	} else {
		size -= size % KiB
	}
	return size.String(), true, size > 0
}

// ParseRate reads a number of bytes a second, as in 100MiB/s.
func ParseRate(text string) (Rate, error) {
	word, ok := strings.CutSuffix(text, "/s")
	size, err := ParseSize(word)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is no rate: write it as in 100MiB/s", text)
	case !ok:
		return 0, fmt.Errorf("%q is no rate: write %s/s", text, text)
	}
	return Rate(size), nil
}

// durationUnits are what durations are made of, the largest first.
func durationUnits() []struct {
	letter byte
	unit   time.Duration
} {
	return []struct {
		letter byte
		unit   time.Duration
	}{
		{'w', 7 * 24 * time.Hour},
		{'d', 24 * time.Hour},
		{'h', time.Hour},
		{'m', time.Minute},
		{'s', time.Second},
	}
}

// longest bounds a duration, so that sums of a few never overflow.
const longest = 10 * 366 * 24 * time.Hour

// ParseDuration reads a length of time: 90s, 1h30m, 7d; "0" needs no unit.
func ParseDuration(text string) (Duration, error) {
	if text == "0" {
		return 0, nil
	}
	number, unit := splitUnit(text)
	if unit == "" && number != "" && number == text {
		return 0, fmt.Errorf("%s has no unit: write %ss, %sm, %sh or %sd", text, number, number, number, number)
	}
	wrong := fmt.Errorf("%q is no length of time: write it with s, m, h, d or w, the largest first, as in 1h30m", text)
	var sum time.Duration
	rest, units := text, durationUnits()
	for rest != "" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		if digits == 0 || digits == len(rest) || digits > 9 {
			return 0, wrong
		}
		n, err := strconv.Atoi(rest[:digits])
		if err != nil {
			return 0, wrong
		}
		for len(units) > 0 && units[0].letter != rest[digits] {
			units = units[1:]
		}
		if len(units) == 0 {
			return 0, wrong
		}
		if time.Duration(n) > longest/units[0].unit {
			return 0, fmt.Errorf("%q is longer than ten years: write less", text)
		}
		sum += time.Duration(n) * units[0].unit
		units, rest = units[1:], rest[digits+1:]
	}
	if sum > longest || text == "" {
		return 0, wrong
	}
	return Duration(sum), nil
}

// splitUnit parts a number, which may have a fraction, from what follows it.
func splitUnit(text string) (number, unit string) {
	end := len(text) - len(strings.TrimLeft(text, "0123456789."))
	return text[:end], text[end:]
}

// wholeOr is number if it is a whole one.
func wholeOr(number, other string) string {
	if _, err := strconv.ParseUint(number, 10, 63); err != nil {
		return other
	}
	return number
}
