package desired

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
)

// scalar reads text as the type of v says and sets v. The error says what is
// wrong and what to write.
func scalar(text string, v reflect.Value) error {
	switch to := v.Addr().Interface().(type) {
	case *Size:
		return into(to, text, ParseSize)
	case *Rate:
		return into(to, text, ParseRate)
	case *Duration:
		return into(to, text, ParseDuration)
	case *netip.Addr:
		return into(to, text, parseAddr)
	case *netip.Prefix:
		return into(to, text, parsePrefix)
	case *AddrRange:
		return into(to, text, parseAddrRange)
	case *IDRange:
		return into(to, text, parseIDRange)
	case *Target:
		to.Text = text
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("%q is neither true nor false: write one of them", text)
		}
		v.SetBool(text == "true")
	case reflect.Int:
		n, err := parseInt(text)
		if err != nil {
			return err
		}
		v.SetInt(int64(n))
	case reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || !decimal(text) {
			return fmt.Errorf("%q is no number: write it as in 1.5", text)
		}
		v.SetFloat(f)
	default:
		return fmt.Errorf("one word can't be read as %s", v.Type())
	}
	return nil
}

func into[T any](to *T, text string, parse func(string) (T, error)) error {
	value, err := parse(text)
	if err != nil {
		return err
	}
	*to = value
	return nil
}

// scalarOf reads text as the type of v and its field say. The fields of IPv6 are
// told by their words.
func scalarOf(text string, v reflect.Value, f *field) error {
	if f == nil {
		return scalar(text, v)
	}
	var err error
	switch to := v.Addr().Interface().(type) {
	case *netip.Addr:
		if f.six {
			return into(to, text, parseAddr6)
		}
		*to, err = parseAddr(text)
	case *netip.Prefix:
		if f.six {
			return into(to, text, parsePrefix6)
		}
		*to, err = parsePrefix(text)
	default:
		return scalar(text, v)
	}
	if errors.Is(err, errIPv6) {
		return fmt.Errorf("%w, or put this into %s6", err, f.word)
	}
	return err
}

// parseInt reads whole numbers as people write them: no 0x10, no 1_000, no 010.
func parseInt(text string) (int, error) {
	if !whole(text) {
		return 0, fmt.Errorf("%q is no whole number: write digits only", text)
	}
	n, err := strconv.Atoi(text)
	if err != nil || n > 1<<53 || n < -1<<53 {
		return 0, fmt.Errorf("%s is too large: write a smaller number", text)
	}
	return n, nil
}

func parseAddr(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return addr, fmt.Errorf("%q is no address: write it as in 10.1.1.4", text)
	case !addr.Is4():
		return addr, fmt.Errorf("%q is %w: write an IPv4 one", text, errIPv6)
	}
	return addr, nil
}

// errIPv6 is why what holds IPv4 addresses takes none of the other sort.
var errIPv6 = errors.New("IPv6")

// parseAddr6 reads an address that a machine can have. One with a zone means
// something else on each machine.
func parseAddr6(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return addr, fmt.Errorf("%q is no address: write it as in fd00:1::4", text)
	case addr.Is4() || addr.Is4In6():
		return netip.Addr{}, fmt.Errorf("%q is IPv4: write an IPv6 one, as in fd00:1::4", text)
	case addr.Zone() != "":
		return netip.Addr{}, fmt.Errorf("%q: leave out what stands after %%", text)
	case addr.IsUnspecified() || addr.IsLoopback() || addr.IsMulticast():
		return netip.Addr{}, fmt.Errorf("%q is no machine's address: write it as in fd00:1::4", text)
	}
	return addr, nil
}

func parsePrefix6(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return prefix, fmt.Errorf("%q is no subnet: write it as in fd00:1::/64", text)
	case prefix.Addr().Is4() || prefix.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q is IPv4: write an IPv6 one, as in fd00:1::/64", text)
	case prefix.Masked() != prefix:
		return netip.Prefix{}, fmt.Errorf("%q is an address within a subnet: write %s", text, prefix.Masked())
	}
	return prefix, nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return prefix, fmt.Errorf("%q is no subnet: write it as in 10.1.1.0/24", text)
	case !prefix.Addr().Is4():
		return prefix, fmt.Errorf("%q is %w: write an IPv4 one", text, errIPv6)
	case prefix.Masked() != prefix:
		return prefix, fmt.Errorf("%q is an address within a subnet: write %s", text, prefix.Masked())
	}
	return prefix, nil
}

func parseAddrRange(text string) (AddrRange, error) {
	from, to, ranged := strings.Cut(text, "-")
	var r AddrRange
	var err error
	if r.From, err = parseAddr(strings.TrimSpace(from)); err != nil {
		return r, err
	}
	r.To = r.From
	if ranged {
		if r.To, err = parseAddr(strings.TrimSpace(to)); err != nil {
			return r, err
		}
	}
	if r.To.Less(r.From) {
		return r, fmt.Errorf("%q ends before it begins: write %s-%s", text, r.To, r.From)
	}
	return r, nil
}

func parseIDRange(text string) (IDRange, error) {
	from, to, ranged := strings.Cut(text, "-")
	var r IDRange
	var err error
	if r.From, err = parseInt(strings.TrimSpace(from)); err == nil {
		r.To = r.From
		if ranged {
			r.To, err = parseInt(strings.TrimSpace(to))
		}
	}
	switch {
	case err != nil:
		return r, fmt.Errorf("%q is no id: write a number, or two as in 60000-60003", text)
	case r.To < r.From:
		return r, fmt.Errorf("%q ends before it begins: write %d-%d", text, r.To, r.From)
	}
	return r, nil
}

// guess gives a value that is nobody's field (a variable of Ansible, raw
// user-data) a type, without losing anything that was written: 0755 and 1.10
// stay texts.
func guess(t *tree) any {
	switch {
	case !t.plain:
		return t.text
	case t.text == "true":
		return true
	case t.text == "false":
		return false
	case whole(t.text) && t.text != "-0":
		if n, err := strconv.ParseInt(t.text, 10, 64); err == nil {
			return n
		}
	case decimal(t.text):
		if f, err := strconv.ParseFloat(t.text, 64); err == nil && strconv.FormatFloat(f, 'f', -1, 64) == t.text {
			return f
		}
	}
	return t.text
}
