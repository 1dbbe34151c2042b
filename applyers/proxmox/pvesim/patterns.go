package pvesim

import (
	"regexp"
	"sync"
)

// patterns are compiled once; all are anchored by those who use them.
var patterns = sync.OnceValue(func() map[string]*regexp.Regexp {
	m := map[string]*regexp.Regexp{}
	for k, v := range map[string]string{ //nolint:gosec // patterns of names, no credentials
		"volid":     `^[a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9]:.+$`,
		"dns":       `^([a-zA-Z0-9]([a-zA-Z0-9\-]*[a-zA-Z0-9])?)(\.[a-zA-Z0-9]([a-zA-Z0-9\-]*[a-zA-Z0-9])?)*$`,
		"id":        `^[a-zA-Z][a-zA-Z0-9_\-]+$`,
		"tag":       `^[a-zA-Z0-9_][a-zA-Z0-9_\-+.]*$`,
		"mac":       `^[a-fA-F0-9][02468aceACE][:](?:[a-fA-F0-9]{2}:){4}[a-fA-F0-9]{2}$`,
		"mac2":      `^(?:[a-fA-F0-9]{2}:){5}[a-fA-F0-9]{2}$`,
		"size":      `^\+?\d+(\.\d+)?[KMGT]?$`,
		"bytes":     `^\d+[MG]?$`,
		"disk":      `^\d+(\.\d+)?[KMGT]?$`,
		"encoded":   `^[-%a-zA-Z0-9_.!~*'()]*$`,
		"serial":    `^(/dev/.+|socket)$`,
		"url":       `^https?://.*$`,
		"alloc":     `^([a-zA-Z][a-zA-Z0-9\-_.]*):(\d+(\.\d+)?)$`,
		"image":     `^(vm|base)-(\d+)-(disk-\d+|cloudinit|state-.+|.+?)(\.(raw|qcow2|vmdk|subvol))?$`,
		"upid":      `^UPID:([a-zA-Z0-9.\-]+):([0-9A-Fa-f]{8}):([0-9A-Fa-f]{8,9}):([0-9A-Fa-f]{8}):([^:\s]+):([^:\s]*):([^:\s]+):$`,
		"startup":   `^(order=)?\d+$|^up=\d+$|^down=\d+$`,
		"word":      `^[-_.\w]+$`,
		"userid":    `^[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+$`,
		"tokenid":   `^[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+![A-Za-z][A-Za-z0-9.\-_]+$`,
		"usertoken": `^[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+(![A-Za-z][A-Za-z0-9.\-_]+)?$`,
		"token":     `^[A-Za-z][A-Za-z0-9.\-_]+$`,
		"name":      `^[A-Za-z0-9.\-_]+$`,
		"pool":      `^[A-Za-z0-9.\-_]+(/[A-Za-z0-9.\-_]+){0,2}$`,
		"node":      `^[a-zA-Z0-9]([a-zA-Z0-9\-]*[a-zA-Z0-9])?$`,
		"storage":   `^[a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9]$`,
		"cpuset":    `^\d+(-\d+)?(,\d+(-\d+)?)*$`,
		"ranges":    `^\d+(-\d+)?(;\d+(-\d+)?)*$`,
		"numbers":   `^\d+(;\d+)*$`,
		"wwn":       `^0x[0-9a-fA-F]{16}$`,
		"text16":    `^[A-Za-z0-9\-_\s]{0,16}$`,
		"text8":     `^[A-Za-z0-9\-_\s]{0,8}$`,
		"plain":     `^[A-Za-z0-9\-]+$`,
		"machine":   `^(pc|q35|virt|(pc(-i440fx|-q35)?|virt)-\d+(\.\d+)+(\+pve\d+)?(\.pxe)?|virt\+pve\d+)$`,
		"bootdev":   `^(ide|sata|scsi|virtio)\d+$`,
		"port":      `^(/dev/parport\d+|/dev/usb/lp\d+)$`,
		"date":      `^(now|\d{4}-\d{1,2}-\d{1,2}(T\d{1,2}:\d{1,2}:\d{1,2})?)$`,
		"genid":     `^([a-fA-F0-9]{8}(-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}|[01])$`,
		"uuid":      `^[a-fA-F0-9]{8}(-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}$`,
		"usbhost":   `^((0x)?[0-9A-Fa-f]{4}:(0x)?[0-9A-Fa-f]{4}|\d+-\d+(\.\d+)*|[Ss][Pp][Ii][Cc][Ee])$`,
		"pci":       `^([a-f0-9]{4}:)?[a-f0-9]{2}:[a-f0-9]{2}(\.[a-f0-9])?(;([a-f0-9]{4}:)?[a-f0-9]{2}:[a-f0-9]{2}(\.[a-f0-9])?)*$`,
		"pciid":     `^0x[0-9a-fA-F]{4}$`,
		"mode":      `^0[0-7]{3}$`,
		"fstypes":   `^[a-zA-Z0-9_; ]+$`,
		"mntopts":   `^(discard|lazytime|noatime|nodev|noexec|nosuid)(;(discard|lazytime|noatime|nodev|noexec|nosuid))*$`,
		"devs":      `^((ide|sata|scsi|virtio|net|hostpci|usb)\d+)?([;\s]+(ide|sata|scsi|virtio|net|hostpci|usb)\d+)*;?$`,
		"legacy":    `^[acdn]{1,4}$`,
		"flags":     `^[+-][a-zA-Z0-9\-_.]+(;[+-][a-zA-Z0-9\-_.]+)*$`,
		"vendor":    `^[a-zA-Z0-9]{1,12}$`,
		"bits":      `^(host|[0-9]{1,2})$`,
		"keys":      `^[0-9a-zA-Z!=]*$`,
		"zone":      `^[A-Za-z0-9+\-_/]+$`,
		"mtus":      `^net\d+=\d+(,net\d+=\d+)*$`,
		"email":     `^[^@]+@[^@]+$`,
	} {
		m[k] = regexp.MustCompile(v)
	}
	return m
})

func matches(pattern, v string) bool { return patterns()[pattern].MatchString(v) }
