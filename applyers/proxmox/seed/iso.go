package seed

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
)

// The image is written by hand. The library that was meant for it stamps the
// hour, and the workspace directory's change times, owners and modes, into the
// image, so that equal seeds gave different bytes; and it needs that directory
// on disk. The format of three files in a root directory is small: ECMA-119
// with the Joliet and Rock Ridge names, since which of them a kernel reads is
// its own choice.

const (
	sector = 2048
	// isoSize is what an image is padded to. Storages allocate in KiB or MiB.
	isoSize = 1 << 20
	// fileMax bounds a file, far above what anybody means.
	fileMax = 64 << 20
)

// The sectors. Directories, path tables and continuations are one sector each.
const (
	sectorPrimary = 16 + iota
	sectorJoliet
	sectorEnd
	sectorPathsL
	sectorPathsM
	sectorJolietPathsL
	sectorJolietPathsM
	sectorRoot
	sectorJolietRoot
	sectorData
)

// label is what cloud-init looks for on every block device.
const label = "cidata"

// isoFile is a file of the root directory.
type isoFile struct {
	// short is the name in plain ISO 9660, which knows neither "-" nor lower
	// case; files are sorted by both names alike.
	name, short string
	content     []byte
	at          uint32
}

// ISO is the seed as a disk image with the label cidata: what NoCloud finds on
// any block device (FACTS 6: "A seed can be a disk of the guest").
func (s Seed) ISO() ([]byte, error) {
	files := []isoFile{
		{name: "meta-data", short: "META_DAT.;1", content: s.MetaData},
		{name: "network-config", short: "NETWORK_.;1", content: s.NetworkConfig},
		{name: "user-data", short: "USER_DAT.;1", content: s.UserData},
	}
	next := uint32(sectorData)
	for i := range files {
		if len(files[i].content) > fileMax {
			return nil, fmt.Errorf("write seed image: %s has %d bytes, the most is %d", files[i].name, len(files[i].content), fileMax)
		}
		files[i].at = next
		next += uint32((len(files[i].content) + sector - 1) / sector) //nolint:gosec // Bounded above.
	}
	size := (int(next)*sector + isoSize - 1) / isoSize * isoSize
	image := make([]byte, size)
	sectors := uint32(size / sector)
	copy(image[sectorPrimary*sector:], descriptor(1, sectors, sectorRoot, sectorPathsL))
	copy(image[sectorJoliet*sector:], descriptor(2, sectors, sectorJolietRoot, sectorJolietPathsL))
	copy(image[sectorEnd*sector:], "\xffCD001\x01")
	copy(image[sectorPathsL*sector:], pathTable(binary.LittleEndian, sectorRoot))
	copy(image[sectorPathsM*sector:], pathTable(binary.BigEndian, sectorRoot))
	copy(image[sectorJolietPathsL*sector:], pathTable(binary.LittleEndian, sectorJolietRoot))
	copy(image[sectorJolietPathsM*sector:], pathTable(binary.BigEndian, sectorJolietRoot))
	copy(image[sectorRoot*sector:], rockRidgeRoot(files))
	copy(image[sectorJolietRoot*sector:], jolietRoot(files))
	for _, f := range files {
		copy(image[f.at*sector:], f.content)
	}
	return image, nil
}

// descriptor is a volume descriptor: kind 1 is the primary one, 2 is Joliet's.
func descriptor(kind byte, sectors, root, paths uint32) []byte {
	text := func(s string, length int) []byte { return fmt.Appendf(nil, "%-*s", length, s) }
	if kind == 2 {
		text = func(s string, length int) []byte {
			wide := ucs2(s + strings.Repeat(" ", length))
			return wide[:length]
		}
	}
	b := []byte{kind}
	b = append(b, "CD001\x01\x00"...)
	b = append(b, text("", 32)...) // system
	b = append(b, text(label, 32)...)
	b = append(b, make([]byte, 8)...)
	b = append(b, both32(sectors)...)
	escape := make([]byte, 32)
	if kind == 2 {
		copy(escape, "%/E") // UCS-2, level 3
	}
	b = append(b, escape...)
	b = append(b, both16(1)...) // volumes in the set
	b = append(b, both16(1)...) // this one's number
	b = append(b, both16(sector)...)
	b = append(b, both32(10)...) // length of a path table
	b = binary.LittleEndian.AppendUint32(b, paths)
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, paths+1)
	b = append(b, 0, 0, 0, 0)
	b = append(b, record([]byte{0}, root, sector, true, nil)...)
	for range 4 { // volume set, publisher, preparer, application
		b = append(b, text("", 128)...)
	}
	for range 3 { // copyright, abstract, bibliography
		b = append(b, text("", 37)...)
	}
	for range 4 { // made, changed, expires, effective: not said
		b = append(b, "0000000000000000\x00"...)
	}
	b = append(b, 1) // structure version
	return b
}

// pathTable lists the one directory.
func pathTable(order binary.AppendByteOrder, root uint32) []byte {
	b := []byte{1, 0}
	b = order.AppendUint32(b, root)
	b = order.AppendUint16(b, 1)
	return append(b, 0, 0)
}

// record is a directory record, with what Rock Ridge adds to it.
func record(name []byte, at uint32, size int, dir bool, more []byte) []byte {
	b := []byte{0, 0}
	b = append(b, both32(at)...)
	b = append(b, both32(uint32(size))...) //nolint:gosec // Bounded in ISO.
	b = append(b, 100, 1, 1, 0, 0, 0, 0)   // 1 January 2000, UTC: always the same
	flags := byte(0)
	if dir {
		flags = 2
	}
	b = append(b, flags, 0, 0)
	b = append(b, both16(1)...)
	b = append(b, byte(len(name))) //nolint:gosec // Names are constants.
	b = append(b, name...)
	if len(b)%2 == 1 {
		b = append(b, 0)
	}
	b = append(b, more...)
	if len(b)%2 == 1 {
		b = append(b, 0)
	}
	b[0] = byte(len(b)) //nolint:gosec // The longest, the root's, has 180 bytes.
	return b
}

// rockRidgeRoot is the root directory with short names, and the long ones in
// the records' system use fields (IEEE P1281 and P1282).
func rockRidgeRoot(files []isoFile) []byte {
	const says = "THE ROCK RIDGE INTERCHANGE PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS"
	self := []byte("SP\x07\x01\xbe\xef\x00")
	self = append(self, posix(0o40555, 2)...)
	const id = "RRIP_1991A"
	self = append(self, 'E', 'R', byte(8+len(id)+len(says)), 1, byte(len(id)), byte(len(says)), 0, 1)
	self = append(self, id+says...)
	b := record([]byte{0}, sectorRoot, sector, true, self)
	b = append(b, record([]byte{1}, sectorRoot, sector, true, posix(0o40555, 2))...)
	for _, f := range files {
		more := append(posix(0o100444, 1), 'N', 'M', byte(5+len(f.name)), 1, 0) //nolint:gosec // Names are constants.
		more = append(more, f.name...)
		b = append(b, record([]byte(f.short), f.at, len(f.content), false, more)...)
	}
	return b
}

// posix is Rock Ridge's PX field: mode and links; owner and group are root.
func posix(mode, links uint32) []byte {
	b := []byte{'P', 'X', 36, 1}
	for _, n := range []uint32{mode, links, 0, 0} {
		b = append(b, both32(n)...)
	}
	return b
}

func jolietRoot(files []isoFile) []byte {
	b := record([]byte{0}, sectorJolietRoot, sector, true, nil)
	b = append(b, record([]byte{1}, sectorJolietRoot, sector, true, nil)...)
	for _, f := range files {
		b = append(b, record(ucs2(f.name), f.at, len(f.content), false, nil)...)
	}
	return b
}

func ucs2(s string) []byte {
	var b []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		b = binary.BigEndian.AppendUint16(b, unit)
	}
	return b
}

// both32 writes a number in both byte orders, as ECMA-119 wants it.
func both32(n uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, n), n)
}

func both16(n uint16) []byte {
	return binary.BigEndian.AppendUint16(binary.LittleEndian.AppendUint16(nil, n), n)
}
