package turn_test

import (
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/agent/internal/checkout"
	"berth/agent/internal/gitserve"
	"berth/agent/internal/turn"
	"berth/applyers/proxmox/pvesim"
	"berth/drift/report"
)

// forge is a Git server on a port of its own. It is served outside of the bubble of
// time, and closes each connection, so that none keeps the bubble's clock from
// going on.
type forge struct {
	listener net.Listener
	mu       sync.Mutex
	server   http.Handler
}

func (f *forge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	server := f.server
	f.mu.Unlock()
	server.ServeHTTP(w, r)
}

// hosts puts a server in the place of the present one.
func (f *forge) hosts(h http.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.server = h
}

// gitted is a land whose commits come from a Git server, into a clone on disk.
type gitted struct {
	*land
	story *story
	forge *forge
	git   *gitserve.Server
	src   checkout.Source
	clone *checkout.Repo
}

// gitScenario runs a test with a repository that holds a fleet of two guests,
// which an agent has made; the story of what it says from then on has a name.
func gitScenario(t *testing.T, name string, test func(g *gitted)) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &forge{listener: listener}
	server := &http.Server{Handler: f, ReadHeaderTimeout: time.Minute}
	server.SetKeepAlivesEnabled(false)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
	})
	scenario(t, pvesim.Options{}, func(l *land) {
		g := &gitted{land: l, forge: f, story: l.tells("faults/" + name)}
		g.story.mask = append(g.story.mask, "http://"+listener.Addr().String(), "http://git.example.net", listener.Addr().String(), "git.example.net:80")
		g.src = checkout.Source{URL: "http://" + listener.Addr().String() + "/fleet.git", Branch: "main"}
		g.found()
		g.commit("Make the fleet", "fleet.yaml", gittedYAML, "guests/web.yaml", ct("web", 4001, ""), "guests/cache.yaml", ct("cache", 4002, ""))
		g.open()
		l.apply()
		pass(time.Hour)
		l.mark()
		test(g)
	})
}

// gittedYAML is the fleet without its guests.
var gittedYAML = strings.NewReplacer(
	"CT", pvesim.Sum("https://images.example.net/debian-ct.tar.zst", "sha256"),
).Replace(`kind: Fleet
name: pegasus
uid: 5b1f0c2e
archiveFor: 7d
---
kind: Site
name: home
endpoints: ["https://pve1.test:8006"]
token: {secret: pve-home}
node: pve1
storage: {ssd: {store: local-lvm}, hdd: {store: local}}
images: hdd
networks: {lan: {bridge: vmbr0, subnet: 10.1.1.0/24, gateway: 10.1.1.254}}
---
kind: Image
name: debian-ct
url: https://images.example.net/debian-ct.tar.zst
sha256: CT
content: vztmpl
`)

// found makes a new, empty repository and serves it.
func (g *gitted) found() {
	g.t.Helper()
	var err error
	if g.git, err = gitserve.New(filepath.Join(g.t.TempDir(), "fleet.git")); err != nil {
		g.t.Fatal(err)
	}
	g.forge.hosts(g.git)
}

// commit commits files, name by content; "" takes a file out.
func (g *gitted) commit(message string, namesAndContents ...string) string {
	g.t.Helper()
	files := make(map[string]*string)
	for i := 0; i < len(namesAndContents); i += 2 {
		files[namesAndContents[i]] = nil
		if text := strings.TrimPrefix(namesAndContents[i+1], "---\n"); text != "" {
			files[namesAndContents[i]] = &text
		}
	}
	hash, err := g.git.Commit(files, message)
	if err != nil {
		g.t.Fatal(err)
	}
	return hash
}

// open starts an agent's clone, as a start of the agent does.
func (g *gitted) open() {
	g.t.Helper()
	g.close()
	var err error
	if g.clone, err = checkout.Open(g.path("clone"), g.src, slog.New(slog.DiscardHandler)); err != nil {
		g.t.Fatal(err)
	}
	g.source = g.clone
}

func (g *gitted) close() {
	if g.clone != nil {
		g.clone.Close()
	}
}

// tell makes a turn that must do nothing, and tells its report.
func (g *gitted) tell(what string) {
	g.t.Helper()
	g.story.report(what, g.turn())
	g.nothing(what)
}

// fails makes a turn that can't be made.
func (g *gitted) fails(what string) {
	g.t.Helper()
	agent, stop := g.agent("journal")
	defer stop()
	_, err := agent.Run(g.t.Context(), turn.Request{Mode: report.Run})
	g.story.fails(what, err)
	g.nothing(what)
}

func status(code int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
}

// A repository that can't be asked holds nothing up but newer commits: the last one
// goes on being enforced, an edit by hand is taken back, and the report says since
// when it is so.
func TestRepositoryIsUnreachable(t *testing.T) {
	gitScenario(t, "repository-unreachable", func(g *gitted) {
		g.forge.hosts(status(http.StatusBadGateway))
		agent, stop := g.agent("journal")
		defer stop()
		run := func(what string) {
			rep, err := agent.Run(g.t.Context(), turn.Request{Mode: report.Run})
			if err != nil {
				g.t.Fatal(err)
			}
			g.story.report(what, rep)
		}
		run("the Git server answers 502")
		g.nothing("unreachable")
		pass(2 * time.Hour)
		g.sim.Edit("root@pam", 4001, map[string]string{"memory": "1024"})
		run("two hours later, and somebody has edited a guest")
		if got := g.guest(4001).Config["memory"]; got != "512" {
			g.t.Errorf("the edit by hand stays: memory %s", got)
		}
		g.mark()
		_ = g.forge.listener.Close()
		run("nobody listens there any more")
		g.nothing("nobody listens")
		stop()
		g.open()
		g.tell("the agent is started anew meanwhile")
	})
}

// A guest is not put away while Git can't say that it shall be.
func TestRepositoryVanishesBeforeAnArchive(t *testing.T) {
	gitScenario(t, "repository-unreachable-before-archive", func(g *gitted) {
		g.commit("Give the cache up", "guests/cache.yaml", "")
		asked := 0
		server := g.git
		g.forge.hosts(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				asked++
			}
			if asked > 1 {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			server.ServeHTTP(w, r)
		}))
		g.tell("Git can't be asked once more")
		if !g.guest(4002).Running {
			g.t.Error("it was stopped")
		}
	})
}

// Whatever empties the repository, nothing is deleted.
func TestRepositoryIsEmptied(t *testing.T) {
	all := []string{"fleet.yaml", "", "guests/web.yaml", "", "guests/cache.yaml", ""}
	for name, empty := range map[string]func(g *gitted){
		"by a commit": func(g *gitted) { g.commit("Remove everything", all...) },
		"by a commit that leaves other files": func(g *gitted) {
			g.commit("Remove everything", append(all, "README.md", "moved elsewhere")...)
		},
		"by a commit that leaves a fleet alone": func(g *gitted) {
			g.commit("Remove the guests", "guests/web.yaml", "", "guests/cache.yaml", "", "fleet.yaml", "kind: Fleet\nname: pegasus\nuid: 5b1f0c2e\n")
		},
		"and made anew": func(g *gitted) { g.found() },
		"and its branch has another name": func(g *gitted) {
			g.src.Branch = "main"
			g.forge.hosts(renamed{g.git})
		},
	} {
		t.Run(name, func(t *testing.T) {
			gitScenario(t, "repository-emptied-"+strings.ReplaceAll(name, " ", "-"), func(g *gitted) {
				empty(g)
				g.tell(name)
				for _, vmid := range []int{4001, 4002} {
					if !g.guest(vmid).Running {
						g.t.Errorf("guest %d was stopped", vmid)
					}
				}
				pass(30 * 24 * time.Hour)
				g.open()
				if rep := g.turn(); len(rep.Plan.Changes) > 0 {
					g.t.Errorf("a month later: %s", told(rep))
				}
				g.nothing("a month later")
			})
		})
	}
}

// renamed serves a repository whose branch has another name.
type renamed struct{ server http.Handler }

func (s renamed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	whole := &body{header: http.Header{}}
	s.server.ServeHTTP(whole, r)
	maps.Copy(w.Header(), whole.header)
	text := strings.ReplaceAll(whole.text.String(), "refs/heads/main", "refs/heads/prod")
	_, _ = w.Write([]byte(text))
}

type body struct {
	header http.Header
	text   strings.Builder
}

func (b *body) Header() http.Header         { return b.header }
func (b *body) Write(p []byte) (int, error) { return b.text.Write(p) }
func (b *body) WriteHeader(int)             {}

// A branch whose history no longer holds the accepted commit is refused.
func TestHistoryIsRewritten(t *testing.T) {
	gitScenario(t, "history-rewritten", func(g *gitted) {
		g.found()
		g.commit("Begin anew", "fleet.yaml", gittedYAML, "guests/web.yaml", ct("web", 4001, ""))
		g.tell("the branch was forced to another history, which lacks a guest")
		g.src.AllowRewrite = true
		g.open()
		g.story.report("repository.allowRewrite: true", g.turn())
		if g.guest(4002).Running {
			g.t.Error("what was allowed was not done")
		}
	})
}

// Another repository, branch or path is nothing that an edit of the settings alone
// brings about.
func TestSourceIsAnother(t *testing.T) {
	gitScenario(t, "source-changed", func(g *gitted) {
		g.commit("Lay the guests out anew", "prod/fleet.yaml", gittedYAML, "prod/web.yaml", ct("web", 4001, ""))
		g.src.Path = "prod"
		g.open()
		g.fails("repository.path is another, and nobody has confirmed it")
		agent, stop := g.agent("journal")
		defer stop()
		rep, err := agent.Run(g.t.Context(), turn.Request{Mode: report.Run, AcceptSource: true})
		if err != nil {
			g.t.Fatal(err)
		}
		g.story.report("agent sync --accept-source", rep)
		g.nothing("the turn that takes the source")
		stop()
		g.story.report("the next turn", g.turn())
		if g.guest(4002).Running {
			g.t.Error("the next turn did not do it")
		}
	})
}

// A file of 100 MB costs nothing beyond fetching it, once; where it is to be read, it
// is refused unread.
func TestHugeFile(t *testing.T) {
	gitScenario(t, "huge-file", func(g *gitted) {
		g.story.mask = append(g.story.mask, fmt.Sprintf("%d MiB, and", hugeFile>>20), "100 MiB, and")
		huge := strings.Repeat("x", hugeFile)
		// The size of the file, and so each hash, depends on how fast hashing is.
		commit := func(name, message string, file ...string) {
			g.story.mask = append(g.story.mask, g.commit(message, file...)[:7], name)
		}
		commit("IMAGE", "Add an image", "images/debian.iso", huge)
		g.tell("an image of 100 MB that is no manifest")
		commit("MANIFEST", "Add a manifest", "guests/huge.yaml", huge)
		g.tell("a manifest of 100 MB")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		g.tell("looked at again")
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 8<<20 {
			t.Errorf("%d MiB allocated to refuse it again", got>>20)
		}
		commit("WITHOUT", "Take it out again", "guests/huge.yaml", "")
		g.tell("taken out again")
	})
}

// A commit that does not load changes nothing; each of its mistakes is told with
// its place.
func TestTipDoesNotLoad(t *testing.T) {
	gitScenario(t, "tip-does-not-load", func(g *gitted) {
		g.commit("Enlarge the web", "guests/web.yaml", strings.Replace(ct("web", 4001, ""), "512MiB", "512", 1), "guests/db.yaml", "kind: Container\nname: db\nid: 4002\n  memory: 1GiB\n", "guests/cache.yaml", "")
		g.tell("two files of it are wrong, and a guest is gone")
		g.commit("Mend the web", "guests/web.yaml", strings.Replace(ct("web", 4001, ""), "512MiB", "1GiB", 1), "guests/db.yaml", "", "guests/cache.yaml", ct("cache", 4002, ""))
		g.story.report("mended", g.turn())
		if got := g.guest(4001).Config["memory"]; got != "1024" {
			g.t.Errorf("memory %s", got)
		}
	})
}

// A clone that is damaged on disk is made afresh; while it can't be, and the commit
// can't be read, no turn is made, and the error says why.
func TestCloneIsDamaged(t *testing.T) {
	pack := func(g *gitted, change func([]byte) []byte) {
		g.t.Helper()
		found, err := filepath.Glob(g.path("clone/clone/objects/pack/*.pack"))
		if err != nil || len(found) == 0 {
			g.t.Fatalf("no pack: %v", err)
		}
		for _, name := range found {
			text, err := os.ReadFile(name)
			if err != nil {
				g.t.Fatal(err)
			}
			if err := os.Chmod(name, 0o600); err != nil {
				g.t.Fatal(err)
			}
			if err := os.WriteFile(name, change(text), 0o600); err != nil {
				g.t.Fatal(err)
			}
		}
	}
	half := func(text []byte) []byte { return text[:len(text)/2] }
	for name, damage := range map[string]func(g *gitted){
		"pack cut short": func(g *gitted) { pack(g, half) },
		"pack of zeros":  func(g *gitted) { pack(g, func(text []byte) []byte { return make([]byte, len(text)) }) },
		"object missing": func(g *gitted) { g.remove("clone/clone/objects") },
		"refs garbage": func(g *gitted) {
			g.write("clone/clone/refs/berth/accepted", "garbage\n")
			g.write("clone/clone/refs/remotes/origin/main", "garbage\n")
			g.write("clone/clone/HEAD", "garbage\n")
		},
		"config garbage":      func(g *gitted) { g.write("clone/clone/config", "[[[") },
		"packed-refs garbage": func(g *gitted) { g.write("clone/clone/packed-refs", "garbage\x00") },
		"locks of a crash": func(g *gitted) {
			for _, name := range []string{"HEAD.lock", "index.lock", "packed-refs.lock", "config.lock", "refs/berth/accepted.lock", "refs/remotes/origin/main.lock", "shallow.lock"} {
				g.write("clone/clone/"+name, "")
			}
		},
		"clone gone":          func(g *gitted) { g.remove("clone/clone") },
		"a file in its place": func(g *gitted) { g.remove("clone/clone"); g.write("clone/clone", "garbage") },
		"clone an empty directory": func(g *gitted) {
			g.remove("clone/clone")
			if err := os.Mkdir(g.path("clone/clone"), 0o700); err != nil {
				g.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			gitScenario(t, "clone-damaged-"+strings.ReplaceAll(name, " ", "-"), func(g *gitted) {
				g.close()
				g.clone = nil
				damage(g)
				g.forge.hosts(status(http.StatusBadGateway))
				if g.reopen("the Git server is away") {
					agent, stop := g.agent("journal")
					rep, err := agent.Run(g.t.Context(), turn.Request{Mode: report.Run})
					stop()
					if err != nil {
						g.story.fails("the Git server is away", err)
					} else {
						g.story.report("the Git server is away", rep)
					}
				}
				g.nothing("damaged")
				g.forge.hosts(g.git)
				g.commit("Enlarge the web", "guests/web.yaml", strings.Replace(ct("web", 4001, ""), "512MiB", "1GiB", 1))
				if !g.reopen("and back again") {
					return
				}
				g.story.report("and back again", g.turn())
				if got := g.guest(4001).Config["memory"]; got != "1024" {
					g.t.Errorf("memory %s", got)
				}
			})
		})
	}
}

func (g *gitted) remove(name string) {
	g.t.Helper()
	if err := os.RemoveAll(g.path(name)); err != nil {
		g.t.Fatal(err)
	}
}

// reopen opens the clone as it stands, and tells why it can't be.
func (g *gitted) reopen(what string) bool {
	g.t.Helper()
	g.close()
	var err error
	if g.clone, err = checkout.Open(g.path("clone"), g.src, slog.New(slog.DiscardHandler)); err != nil {
		g.story.fails(what+": the agent starts", err)
		return false
	}
	g.source = g.clone
	return true
}
