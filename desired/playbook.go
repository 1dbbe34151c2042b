package desired

// Playbook is the document of kind Playbook: what Ansible must have run to
// success, for which hosts, when.
type Playbook struct {
	// Name is what references say.
	Name string `yaml:"name" default:"required" example:"base"`
	// Description is for people.
	Description string `yaml:"description" example:"what every guest has"`
	// Path is the playbook's file: from the manifest's directory, in this repository;
	// with git, from the root of that one, which it finds whole. Else what lies in its
	// directory is all that it finds, and makes hosts due when it changes:
	// host_vars/NAME only that host, group_vars/NAME only the hosts of that group.
	Path string `yaml:"path" default:"required, but for a runner that is a webhook" example:"ansible/base.yml"`
	// File is Path from the root of the manifests; with Git, from that of the other
	// repository. "" where a webhook runs something of its own.
	File string `yaml:"-"`
	// Dir is the directory of File: all that is in it is Ansible's to read.
	Dir string `yaml:"-"`
	// Git is another repository that holds the playbook. Nothing of it is looked at
	// before the playbook is run: whether the file is there, and what is in it.
	Git *PlaybookGit `yaml:"git" example:"{url: \"https://git.example.com/kubespray.git\", ref: v2.27.0}"`
	// Requirements is the file of collections and roles that Ansible Galaxy installs
	// first: from the manifest's directory; with git, from the root of that repository.
	// They are fetched once, and again when the file changes: what has no version, or
	// follows a branch, stays as it was then.
	Requirements string `yaml:"requirements" default:"requirements.yml, collections/requirements.yml and roles/requirements.yml beside the playbook, those that are there; null is none" example:"ansible/requirements.yml"`
	// RequirementFiles are the files to install, from the root of the manifests; with
	// Git from that of the other repository, where [RequirementsBeside] finds them if
	// there is none here.
	RequirementFiles []string `yaml:"-"`
	// NoRequirements tells that the manifest says null: nothing is installed, whatever
	// lies beside the playbook.
	NoRequirements bool `yaml:"-"`
	// Hosts is Ansible's pattern of guests, Hosts and groups: names, wildcards as in
	// web-*, regular expressions after ~, single ones of a group as in web[0] or
	// web[1:3], joined by : (or), :& (and) and :! (not). Guests that are not to run
	// are left out, and so are those that are not there.
	Hosts string `yaml:"hosts" default:"required" example:"\"vm:!db-1\""`
	// Limit is a pattern, too: of the hosts, those alone that it names as well.
	Limit string `yaml:"limit" example:"\"!web-1\""`
	// Targets are the guests and Hosts that Hosts and Limit name, sorted.
	Targets []ID `yaml:"-"`
	// Each makes one run of each host, site, project or environment, whose inventory
	// holds its hosts alone; none is one run for all.
	Each string `yaml:"each" enum:"none|host|site|project|environment" default:"none" example:"site"`
	// Groups are groups of groups, by name: the group, and those that it is made of.
	// They are this playbook's own; the fleet's defaults can give them to all. One that
	// is made of none is an empty group.
	Groups map[string]List `yaml:"groups" keys:"group" form:"group" example:"{servers: [vm, ct]}"`
	// Runs says when hosts are due: created (it has never run to success there, or the
	// guest was made anew), changed (its files, requirements, variables, a secret that
	// it uses, or the guest's own manifest changed), a schedule, or manual, which is
	// only when somebody asks. Whatever it says, somebody may.
	Runs []Trigger `yaml:"runs" list:"replace" default:"[created, changed]" example:"[created, {schedule: \"11 11 * * *\", zone: Europe/Berlin}]"`
	// Order is the place in the row: on each host, smaller runs first.
	Order int `yaml:"order" default:"50" example:"10"`
	// After are playbooks that end before this one begins.
	After List `yaml:"after" form:"play" example:"[play/users]"`
	// Serial is how many hosts are worked on at a time: a number, or a share of them
	// as in 25%. The whole playbook ends for some before it begins for the next; a
	// play's own serial divides them further.
	Serial Share `yaml:"serial" form:"share" default:"all at once" example:"2"`
	// MaxFail is how many hosts may fail, a number or a share of them as in 25%: with
	// one more, those that have not begun are left out. 0 stops at the first.
	MaxFail Share `yaml:"maxFail" form:"share" default:"all: each host goes on by itself" example:"25%"`
	// Vars are extra variables, which beat all others. A value may be a secret:
	// {secret: NAME}, or {secret: NAME, key: a.b}.
	Vars map[string]any `yaml:"vars" keys:"var" example:"{release: stable, token: {secret: apps, key: token}}"`
	// VarsFiles are files of extra variables in this repository, from the manifest's
	// directory; later ones beat earlier ones, and vars beats all. They may be vaulted.
	VarsFiles List `yaml:"varsFiles" example:"[ansible/lab.yml]"`
	// VarsFilePaths are VarsFiles from the root of the manifests.
	VarsFilePaths []string `yaml:"-"`
	// Vaults are the passwords of files that ansible-vault encrypted, by vault id.
	Vaults map[string]SecretRef `yaml:"vaults" keys:"vault" example:"{lab: {secret: vault-password}}"`
	// Tags are the tags of the tasks that run; others don't.
	Tags List `yaml:"tags" form:"tasktag" default:"all tasks" example:"[config]"`
	// SkipTags are the tags of tasks that don't run.
	SkipTags List `yaml:"skipTags" form:"tasktag" example:"[slow]"`
	// Become runs the tasks as root.
	Become bool `yaml:"become" default:"false" example:"true"`
	// User is the login name, where it differs from the guest's.
	User string `yaml:"user" form:"login" default:"the guest's ssh.user" example:"ansible"`
	// Port is the port of SSH, where it differs from the guest's.
	Port int `yaml:"port" form:"port" default:"the guest's ssh.port" example:"2222"`
	// Timeout is how long a run may take.
	Timeout Duration `yaml:"timeout" default:"30m" example:"1h"`
	// Retry runs it again by itself after a failure, later each time; false waits for
	// an edit or for somebody to ask.
	Retry bool `yaml:"retry" default:"true" example:"false"`
	// Drift says whether the agent looks for what the playbook would change on hosts
	// where it has run: check asks by Ansible's check mode, and runs it where something
	// would be changed. It is asked at each start, sweep and commit, after an unlock, by
	// agent drift and by agent sync, not when a step is tried again; it takes as long as
	// the playbook does. Tasks that have no check mode, as commands
	// and shells, are no change; those that say check_mode: false are really run.
	Drift string `yaml:"drift" enum:"none|check" default:"none" example:"check"`
	// Runner is who runs it: ansible, which is the agent, or a webhook.
	Runner Runner `yaml:"runner" short:"use" default:"ansible" example:"{webhook: {url: \"https://ansible.example.com/hooks/provision?host={host}\"}}"`
	// Ignore are fields, by dotted path, that Berth lets go.
	Ignore List `yaml:"ignore" example:"[hosts]"`
	// Due holds, for each target by name, what must have run there.
	Due map[string]Run `yaml:"-" path:"hosts" drift:"online"`
	// Source is where the document stands.
	Source Source `yaml:"-"`
}

// PlaybookGit is a repository of playbooks.
type PlaybookGit struct {
	// URL is where it is fetched from, by https or SSH; by http from the agent's own
	// host alone.
	URL string `yaml:"url" form:"giturl" default:"required" example:"https://git.example.com/kubespray.git"`
	// Ref is a tag or a commit, or a branch, each commit of which makes hosts due.
	Ref string `yaml:"ref" form:"gitref" default:"required" example:"v2.27.0"`
	// Key is the secret that holds the private key for SSH, or for https the token.
	Key SecretRef `yaml:"key" default:"none: the repository is read without" example:"{secret: deploy-key}"`
}
