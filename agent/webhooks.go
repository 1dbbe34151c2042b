package main

import (
	"errors"
	"fmt"

	"berth/agent/internal/webhook"
)

// webhooks hear from forges that somebody has pushed.
func (s *service) webhooks() *webhook.Handler {
	from := s.repository.Source()
	return &webhook.Handler{
		Secrets: s.webhookSecrets,
		Follow: webhook.Follow{
			URL: from.URL, Branch: from.Branch, Tags: s.settings.Repository.Verify.Tags, Names: s.settings.HTTP.Webhooks.Repositories,
		},
		Start: s.loop.StartWhole,
		Seen:  func(forge string, result webhook.Result) { s.observed.metrics.Delivery(forge, string(result)) },
		Log:   s.log,
	}
}

// webhookSecrets reads what forges may sign with: all that can be read, and why others
// can't.
func (s *service) webhookSecrets() (secrets [][]byte, err error) {
	for _, c := range s.settings.HTTP.Webhooks.Secrets {
		secret, unread := s.settings.Read(c, s.env)
		if unread != nil {
			err = errors.Join(err, unread)
			continue
		}
		secrets = append(secrets, secret)
	}
	return secrets, err
}

// checkWebhooks tells early that a secret can't be used.
func (s *service) checkWebhooks() error {
	var wrong error
	for i, c := range s.settings.HTTP.Webhooks.Secrets {
		secret, err := s.settings.Read(c, s.env)
		if err == nil {
			err = webhook.CheckSecret(secret)
		}
		clear(secret)
		if err != nil {
			place := s.settings.Place(fmt.Sprintf("http.webhooks.secrets.%d", i))
			wrong = errors.Join(wrong, fmt.Errorf("%s: read http.webhooks.secrets: %w", place, err))
		}
	}
	return wrong
}
