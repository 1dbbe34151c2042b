package notify_test

import (
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"berth/agent/internal/notify"
)

func TestURLsOfServices(t *testing.T) {
	for _, row := range services {
		if _, err := notify.CheckService([]byte(row.url)); err != nil {
			t.Errorf("%s: %v", row.url, err)
		}
	}
	for text, want := range map[string]string{
		"https://hooks.slack.com/services/hunter2": `"https" is no service that is known: write one of bark, discord, generic, googlechat, `,
		"hunter2":                                       "it is no URL: write one as",
		"://hunter2":                                    "it is no URL",
		"logger://":                                     "the agent's own log tells it already",
		"slak://hunter2@webhook":                        `"slak" is no service`,
		"hunter22hunter22hunter22:x":                    `is no service`,
		"slack://hook:hunter2@webhook":                  "slack: ",
		"telegram://hunter2:hunter2@t":                  "telegram: invalid telegram token",
		"ntfy://:hunter2@ntfy.sh":                       "ntfy: topic is required",
		"ntfy://:hunter2@ntfy.sh/x?a=b":                 "ntfy: ",
		"discord://hunter2@":                            "discord: ",
		"gotify://host/hunter2":                         "gotify: ",
		"matrix://hunter2":                              "matrix: ",
		"smtp://u:hunter2@host/?from=berth@example.com": "smtp: ",
		"smtp://u:hunter2@host/?from=berth@example.com&to=nobody":  `smtp: "nobody" is no address`,
		"smtp://u:hunter2@/?from=berth@example.com&to=a@b.example": "smtp: the URL names no host",
	} {
		_, err := notify.CheckService([]byte(text))
		if err == nil && strings.HasPrefix(text, "gotify") {
			continue // Its token is looked at when it is used.
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") && !strings.HasPrefix(text, "hunter22") {
			t.Errorf("%s: %v", text, err)
		}
	}
	// Whoever logs in by a password does so when a message is sent, not before.
	if scheme, err := notify.CheckService([]byte("matrix://berth:hunter2@matrix.invalid/?rooms=!r:x")); err != nil || scheme != "matrix" {
		t.Errorf("matrix: %v", err)
	}
}

// TestURLsOfTheDocument has every URL that SETTINGS.md shows taken.
func TestURLsOfTheDocument(t *testing.T) {
	text, err := os.ReadFile("../../SETTINGS.md")
	if err != nil {
		t.Fatal(err)
	}
	said := string(text)
	found := 0
	for _, quoted := range regexp.MustCompile("`([a-z]+://[^`]+)`").FindAllStringSubmatch(said, -1) {
		u, err := url.Parse(quoted[1])
		if err != nil || strings.HasPrefix(u.Scheme, "http") || u.Scheme == "ssh" {
			continue
		}
		found++
		example := strings.NewReplacer("telegram://TOKEN@", "telegram://123456789:abcdefghijklmnopqrstuvwxyz123456789@").Replace(quoted[1])
		if _, err := notify.CheckService([]byte(example)); err != nil {
			t.Errorf("%s: %v", quoted[1], err)
		}
	}
	if found < 8 {
		t.Errorf("the document shows %d URLs", found)
	}
	for _, scheme := range notify.Services() {
		if !strings.Contains(said, "`"+scheme+"`") && !strings.Contains(said, "`"+scheme+"://") && scheme != "hangouts" && scheme != "mqtts" {
			t.Errorf("the document does not tell of %s", scheme)
		}
	}
}
