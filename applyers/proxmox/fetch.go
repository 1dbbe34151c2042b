package proxmox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"berth/applyers"
	"berth/applyers/proxmox/pve"
	"berth/desired"
)

// fetch lets the nodes download the image. The checksum is verified there.
func (j *job) fetch(ctx context.Context) error {
	image, ok := j.Want.Spec.(*desired.ImageAt)
	if !ok {
		return errors.New("no image")
	}
	nodes, err := j.fetchNodes(ctx, image)
	if err != nil {
		return err
	}
	for _, node := range nodes {
		there, err := j.holds(ctx, node, image)
		if !there && err == nil {
			there, err = j.fetched(ctx, node, image)
		}
		if err != nil || there {
			if err != nil {
				return err
			}
			continue
		}
		if err := j.download(ctx, node, image); err != nil {
			return fmt.Errorf("fetch %s onto %s of %s: %w", image.Name, image.Store, node, err)
		}
	}
	return nil
}

// fetchNodes are the nodes to download on: one where the storage is shared.
func (j *job) fetchNodes(ctx context.Context, image *desired.ImageAt) ([]string, error) {
	nodes := usingNodes(j.Fleet, j.Want, image)
	if len(nodes) == 0 {
		node, err := j.onlyNode(ctx)
		return []string{node}, err
	}
	if len(nodes) == 1 {
		return nodes, nil
	}
	rows, err := j.readResources(ctx)
	if err != nil {
		return nil, err
	}
	var inv inventory
	inv.fill(rows)
	for _, r := range rows {
		if r.Type == "node" {
			inv.node(r.Node, true)
		}
	}
	// The guests of a node that there is not are held, and their images with them.
	if nodes = inv.known(nodes); len(nodes) == 0 {
		return nil, &applyers.HeldError{Reason: "site " + j.site.Name + " has none of the nodes that the image is for"}
	}
	if s, ok := inv.storeOn(nodes[0], image.Store); ok && s.shared {
		return nodes[:1], nil
	}
	return nodes, nil
}

func (j *job) holds(ctx context.Context, node string, image *desired.ImageAt) (bool, error) {
	volumes, err := j.content(ctx, node, image.Store, image.Content)
	return slices.ContainsFunc(volumes, func(v volume) bool { return v.Volid == volid(image) }), err
}

// fetched waits for a download of the image that is under way on a node, and tells
// whether that has brought it.
func (j *job) fetched(ctx context.Context, node string, image *desired.ImageAt) (bool, error) {
	upid, err := j.runningTask(ctx, "/nodes/"+node+"/tasks?source=active&typefilter=download", func(t task) bool { return t.ID == image.File })
	waited, err := j.await(ctx, j.limit(creation), upid, err)
	if err != nil || !waited {
		return false, err
	}
	return j.holds(ctx, node, image)
}

func (j *job) download(ctx context.Context, node string, image *desired.ImageAt) error {
	algorithm, sum := image.Checksum()
	options := pve.Params{
		"url": image.URL, "content": image.Content, "filename": image.File, "checksum": sum, "checksum-algorithm": algorithm,
	}
	if image.Decompress != "" {
		options["compression"] = image.Decompress
	}
	err := j.Do(ctx, j.p, j.limit(creation), http.MethodPost, "/nodes/"+node+"/storage/"+image.Store+"/download-url", options)
	if got, ok := pve.GotSum(err); ok {
		return fmt.Errorf("what the url gives has %s %s, the manifest wants %s: correct %s or the url", algorithm, got, sum, algorithm)
	}
	if pve.Says(err, "download failed") && !pve.Says(err, "No space left") {
		return fmt.Errorf("%w: correct the url %s, or let the node reach it", err, image.URL)
	}
	if err != nil && !pve.Unanswered(err) && !pve.Says(err, "refusing to override", "already exists") {
		return err
	}
	// Success and conflict are both told by a look alone.
	there, look := j.holds(ctx, node, image)
	switch {
	case look != nil:
		return errors.Join(err, look)
	case there:
		return nil
	case err != nil:
		return err
	}
	return errors.New("the task ended well and the file is not there")
}
