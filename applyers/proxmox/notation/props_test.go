package notation

import (
	"testing"

	"berth/desired"
)

func TestProps(t *testing.T) {
	p := Parse("file", "local:100/vm-100-disk-0.raw,size=32G,ssd=1")
	if p.Value("file") != "local:100/vm-100-disk-0.raw" || p.Value("none") != "" {
		t.Errorf("%+v", p)
	}
	p.Set("ssd", "")
	p.Set("discard", "on")
	p.Set("size", "33G")
	if p.String() != "local:100/vm-100-disk-0.raw,size=33G,discard=on" {
		t.Error(p.String())
	}
	if !Parse("file", "a,b=1,c=2").Equal(Parse("file", "file=a,c=2,b=1")) || Parse("", "a=1").Equal(Parse("", "a=2")) {
		t.Error("equality")
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]desired.Size{
		"32G": 32 * desired.GiB, "366K": 366 * desired.KiB, "4608M": 4608 * desired.MiB, "0.5T": 512 * desired.GiB, "512": 512, "": 0, "x": 0, "-1G": 0, "1e99T": 0, "G": 0,
	} {
		if got := ParseSize(text); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
	if Gibibytes(1536*desired.MiB) != "1.5" || Gibibytes(32*desired.GiB) != "32" || Kibibytes(desired.GiB) != "1048576K" {
		t.Error("written sizes")
	}
}

func FuzzProps(f *testing.F) {
	for _, seed := range []string{"", "virtio=BC:24:11:00:00:01,bridge=vmbr0", "local:1,size=2G", ",,=", "a=b=c", " a , b=1 "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p := Parse("file", text)
		for _, part := range p.Parts {
			if got := Lookup("file", text, part.Key); got != p.Value(part.Key) {
				t.Errorf("%q: %s is %q alone, and %q among all", text, part.Key, got, p.Value(part.Key))
			}
		}
		again := Parse("file", p.String())
		if !p.Equal(again) {
			t.Errorf("%q: %+v is not %+v", text, p, again)
		}
		p.Set("mark", "1")
		if p.Value("mark") != "1" {
			t.Errorf("%q: what was set is not there", text)
		}
	})
}
