package proxmox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"berth/applyers/proxmox/pve"
	"berth/desired"
	"berth/drift"
)

// volume is a file on a storage as its list shows it.
type volume struct {
	Volid  string
	Size   pve.Scalar
	Format string
}

// images tells which wanted images are where they are wanted.
func (s *sweep) images(ctx context.Context) {
	wanted := s.wants.of(desired.KindImage)
	if len(wanted) == 0 {
		return
	}
	lists := s.readContents(ctx, wanted)
	for _, r := range wanted {
		image, ok := r.Spec.(*desired.ImageAt)
		if !ok {
			continue
		}
		present := s.astray(usingNodes(s.fleet, r, image)) == ""
		for _, node := range s.imageNodes(r, image) {
			list := lists[contentKey{node, image.Store, image.Content}]
			if list.err != nil {
				s.unknownImage(r, image, node, list.err)
				break
			}
			if !slices.ContainsFunc(list.volumes, func(v volume) bool { return v.Volid == volid(image) }) {
				present = false
			}
		}
		if s.dark[r.ID] {
			continue
		}
		if !present {
			s.absent = append(s.absent, r)
		}
		live := *image
		live.Present = present
		s.out.Lives = append(s.out.Lives, drift.Live{ID: r.ID, Site: s.site.Name, Spec: &live})
	}
}

// volid is an image's name on its storage.
func volid(image *desired.ImageAt) string {
	return image.Store + ":" + image.Content + "/" + image.File
}

type contentKey struct{ node, store, content string }

type contentList struct {
	volumes []volume
	err     error
}

// readContents lists each storage once for all images on it.
func (s *sweep) readContents(ctx context.Context, wanted []*desired.Resource) map[contentKey]contentList {
	lists := make(map[contentKey]contentList)
	for _, r := range wanted {
		if image, ok := r.Spec.(*desired.ImageAt); ok {
			for _, node := range s.imageNodes(r, image) {
				lists[contentKey{node, image.Store, image.Content}] = contentList{}
			}
		}
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	keys := make([]contentKey, 0, len(lists))
	for key := range lists {
		keys = append(keys, key)
	}
	for _, key := range keys {
		wg.Go(func() {
			var volumes []volume
			err := s.off(key.node)
			if err == nil {
				volumes, err = s.content(ctx, key.node, key.store, key.content)
			}
			mu.Lock()
			defer mu.Unlock()
			lists[key] = contentList{volumes, err}
		})
	}
	wg.Wait()
	return lists
}

// off says that a node is: nothing is asked there, since each question would be tried
// again for a while.
func (s *sweep) off(node string) error {
	if slices.Contains(s.inv.offline, node) {
		return fmt.Errorf("%s", s.inv.unreachable(node))
	}
	return nil
}

func (c *cluster) content(ctx context.Context, node, store, content string) ([]volume, error) {
	var volumes []volume
	err := c.Get(ctx, fmt.Sprintf("/nodes/%s/storage/%s/content?content=%s", node, store, content), &volumes)
	return volumes, err
}

// imageNodes are the nodes on which an image must lie: one for a shared storage,
// else those of the guests that are made from it.
func (s *sweep) imageNodes(r *desired.Resource, image *desired.ImageAt) []string {
	nodes := s.inv.known(usingNodes(s.fleet, r, image))
	if len(nodes) == 0 && len(s.inv.online)+len(s.inv.offline) == 1 {
		nodes = s.inv.online
	}
	shared, ok := s.inv.storeOn("", image.Store)
	if !ok || !shared.shared {
		return nodes
	}
	// Any node that answers can tell what lies on a shared storage.
	for _, node := range slices.Concat(nodes, s.inv.online) {
		if s.inv.unreachable(node) == "" {
			return []string{node}
		}
	}
	return nodes
}

// usingNodes are the nodes of the guests that are made from an image.
func usingNodes(fleet *desired.Fleet, r *desired.Resource, image *desired.ImageAt) []string {
	var nodes []string
	for _, other := range fleet.Resources {
		g := guestOf(other)
		if g == nil || other.Site != r.Site {
			continue
		}
		for _, d := range g.Disks {
			if (d.Image == image.Name || d.ISO == image.Name) && g.Node != "" {
				nodes = append(nodes, g.Node)
			}
		}
	}
	if site := fleet.Sites[r.Site]; len(nodes) == 0 && site != nil && site.Node != "" {
		nodes = append(nodes, site.Node)
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// unknownImage reports an image whose storage can't be read, and what to do.
func (s *sweep) unknownImage(r *desired.Resource, image *desired.ImageAt, node string, err error) {
	reason, remedy := fmt.Sprintf("storage %s on %s can't be read: %v", image.Store, node, err), ""
	switch names := s.inv.storeNames(""); {
	case pve.Status(err) == 403:
		remedy = s.grant("/storage/"+image.Store, "Datastore.AllocateSpace")
	case pve.Says(err, "does not exist"):
		remedy = "name a storage of the cluster in the site's images"
		if len(names) > 0 {
			reason = fmt.Sprintf("site %s has no storage %q: it has %s", s.site.Name, image.Store, strings.Join(names, ", "))
		}
		if image.Storage != "" {
			remedy = "name a storage of the cluster in the image's storage"
		}
	}
	if remedy == "" {
		remedy = s.unreadRemedy(node, err)
	}
	s.unknown(r.ID, reason, remedy)
}
