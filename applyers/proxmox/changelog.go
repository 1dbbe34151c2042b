package proxmox

import (
	"context"
	"strconv"
	"strings"

	"github.com/go-faster/jx"
)

// changelog is what the cluster's log tells at a whole look.
type changelog struct {
	// by tells who set an option of a VM last, by VMID and option.
	by map[int]map[string]string
	// place is how far it was read; err why it could not be.
	place logPlace
	err   error
	// begun are the tasks that the token has begun, the newest first.
	begun []string
	token string
}

// readChangelog reads the cluster's log. It tells of VMs only, and without
// Sys.Syslog on / of our own changes only (FACTS 10): who is not named there is
// unknown.
func (c *cluster) readChangelog(ctx context.Context) changelog {
	log := changelog{token: c.TokenName()}
	log.err = c.Get(ctx, logPath(logWindow), &log)
	return log
}

// logWindow is how many lines of the cluster's log are read, at most.
const logWindow = 500

func logPath(lines int) string { return "/cluster/log?max=" + strconv.Itoa(lines) }

// Decode reads the log's lines, of which the newest comes first.
func (l *changelog) Decode(d *jx.Decoder) error {
	*l = changelog{by: make(map[int]map[string]string), token: l.token}
	return decodeLog(d, func(line logLine) {
		l.place.add(line)
		if upid, starts := strings.CutPrefix(line.msg, "starting task "); starts && line.user == l.token {
			l.begun = append(l.begun, upid)
		}
		vmid, options := parseUpdate(line.msg)
		for _, option := range options {
			if l.by[vmid] == nil {
				l.by[vmid] = make(map[string]string)
			}
			if _, later := l.by[vmid][option]; !later {
				l.by[vmid][option] = line.user
			}
		}
	})
}

// who set an option of a VM last; "" if that is not known. A phase stands in two
// options.
func (l changelog) who(vmid int, option string) string {
	if option == "startup" && l.by[vmid][option] == "" {
		option = "onboot"
	}
	return l.by[vmid][option]
}

// parseUpdate reads "update VM 8101: -memory 384 -delete tags,cores": the VM and
// the options that were set or taken away.
func parseUpdate(msg string) (vmid int, options []string) {
	rest, ok := strings.CutPrefix(msg, "update VM ")
	number, rest, cut := strings.Cut(rest, ": ")
	vmid, err := strconv.Atoi(number)
	if !ok || !cut || err != nil || vmid <= 0 {
		return 0, nil
	}
	words := shellWords(rest)
	for i := 0; i < len(words); i++ {
		option, named := strings.CutPrefix(words[i], "-")
		if !named || option == "" {
			continue
		}
		value := ""
		if i+1 < len(words) {
			i++
			value = words[i]
		}
		switch option {
		case "delete", "revert":
			options = append(options, strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' || r == ';' })...)
		case "digest", "skiplock", "force", "background_delay":
		default:
			options = append(options, option)
		}
	}
	return vmid, options
}

// shellWords splits as a shell does for words in single quotes, which is how
// Proxmox writes values.
func shellWords(text string) []string {
	var words []string
	var word strings.Builder
	quoted, open, escaped := false, false, false
	for _, r := range text {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\'':
			quoted, open = !quoted, true
		case r == '\\' && !quoted:
			escaped, open = true, true
		case (r == ' ' || r == '\t' || r == '\n') && !quoted:
			if open {
				words = append(words, word.String())
				word.Reset()
				open = false
			}
		default:
			word.WriteRune(r)
			open = true
		}
	}
	if open {
		words = append(words, word.String())
	}
	return words
}
