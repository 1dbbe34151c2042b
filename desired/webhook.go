package desired

// Runner is who runs a playbook: the agent, by Ansible, or else a webhook. The zero
// Runner is Ansible.
type Runner struct {
	// Use is the agent's own Ansible.
	Use string `yaml:"use" instead:"webhook" enum:"ansible" example:"ansible"`
	// Webhook asks somebody else, as a control node that knows its own playbooks.
	Webhook *WebhookRunner `yaml:"webhook" instead:"use" example:"{url: \"https://ansible.example.com/hooks/provision?host={host}\"}"`
}

// WebhookRunner runs a playbook by an HTTP request, which is made again until it is
// answered by a status of success (200 to 299).
type WebhookRunner struct {
	// URL is what is asked, by https, or by http. {host} in it stands for the host's
	// name, and makes one request for each host; without, there is one for all.
	URL string `yaml:"url" form:"url" default:"required" example:"https://ansible.example.com/hooks/provision?host={host}"`
	// Method is the method of the request.
	Method string `yaml:"method" enum:"POST|PUT|GET|PATCH" default:"POST" example:"PUT"`
	// Headers are headers of the request: texts, or secrets.
	Headers map[string]Header `yaml:"headers" keys:"header" example:"{X-Token: {secret: hook-token}}"`
	// TLS is how the certificate is judged. One that has no host names, or is not
	// signed by an authority, is told by its fingerprint.
	TLS TLS `yaml:"tls" default:"the system's authorities" example:"{ca: pve-root-ca.pem}"`
}

// Header is the value of a header: a text, or a secret.
type Header struct {
	// Value is a text that all may read.
	Value string `yaml:"value" instead:"secret" example:"application/json"`
	// Secret names a Secret, a systemd credential, or one of the agent's own
	// `secrets`, in this order.
	Secret string `yaml:"secret" instead:"value" form:"dotted" example:"hook-token"`
	// Key is the field of a secret that holds several, as in a.b.
	Key string `yaml:"key" example:"hooks.provision"`
}

// Ref is the secret that holds the value; the zero SecretRef where Value does.
func (h Header) Ref() SecretRef { return SecretRef{Secret: h.Secret, Key: h.Key} }
